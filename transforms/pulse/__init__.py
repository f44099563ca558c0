"""Pure columns: from the parts of windows to pulses and portraits of segments."""
