"""Tests of the simulated town's parts."""
