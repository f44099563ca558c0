"""Engines and brokers on this machine: where they are, how they are started, that they end with us."""
