"""Tests of `transforms/context/features`."""
