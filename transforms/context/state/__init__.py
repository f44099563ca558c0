"""What a shard remembers between calls."""
