"""Tests of `transforms.context.live`."""
