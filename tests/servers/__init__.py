"""Servers that tests start: a broker each, once a session."""
