"""Households and SMEs: who is in which, what they are told, and to whom their triggers go."""
