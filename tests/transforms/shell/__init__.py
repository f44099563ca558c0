"""Tests of `transforms/shell`."""
