"""Tests of `transforms/arrays`."""
