"""Tests of `transforms/context/erasure`."""
