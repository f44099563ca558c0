"""Tests of what reads streams."""
