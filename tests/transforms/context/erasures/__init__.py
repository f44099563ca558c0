"""Tests of `transforms.context.erasures`."""
