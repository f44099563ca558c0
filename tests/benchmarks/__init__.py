"""Benchmarks run to their end."""
