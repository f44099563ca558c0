"""Tests of stories: how they are read, played and compared."""
