"""What comes in: signals become rows, copies go, silent sources are noted."""
