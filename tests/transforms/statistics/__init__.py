"""Tests of `transforms/statistics`."""
