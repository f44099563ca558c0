"""Tests of the invariant kit."""
