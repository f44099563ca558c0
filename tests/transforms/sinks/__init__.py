"""Sinks of streams."""
