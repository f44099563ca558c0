"""Erasures: what goes, what is told, and what keeps a subject from coming back."""
