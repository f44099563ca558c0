"""Tests of what `segone explain` tells, part by part."""
