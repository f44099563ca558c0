"""Tests of `transforms.context.groups`."""
