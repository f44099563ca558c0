"""Tests of `transforms.context.plan`."""
