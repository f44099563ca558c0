"""Tests of `transforms/compiler`."""
