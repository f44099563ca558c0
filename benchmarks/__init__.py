"""Workloads, baselines and how to run them side by side."""
