"""Cuts that releases left, which later ones go on from."""
