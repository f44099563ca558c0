"""Tests of engines and brokers on this machine."""
