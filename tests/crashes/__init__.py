"""Streams that are killed, each at a named point, and what was published in the end."""
