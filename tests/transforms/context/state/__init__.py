"""Tests of `transforms/context/state`."""
