"""Whole streams on real engines, from real brokers."""
