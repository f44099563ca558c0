"""What a run counts and measures: the table of it, as Prometheus text, over HTTP."""
