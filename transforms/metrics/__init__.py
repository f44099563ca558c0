"""What is counted and measured: the table of it, what this process counted, as Prometheus text, over HTTP."""
