"""Tests of `transforms/context/ingest`."""
