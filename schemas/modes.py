"""What a run's offers are for."""

MODES = ("live", "backfill", "shadow", "simulated")
"""Sinks of live offers refuse all but the first."""
