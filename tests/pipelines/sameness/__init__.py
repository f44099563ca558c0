"""Runs of one input that must be equal, whatever the process, the shards and the files are."""
