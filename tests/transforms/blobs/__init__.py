"""Tests of `transforms/blobs`."""
