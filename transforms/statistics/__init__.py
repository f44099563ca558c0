"""Pure columns: from the parts of windows to statistics and profiles of segments."""
