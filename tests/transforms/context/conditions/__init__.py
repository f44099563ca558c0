"""Tests of `transforms/context/conditions`."""
