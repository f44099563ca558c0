"""Tests of `transforms/context/emit`."""
