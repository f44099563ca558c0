"""A shard that stays decoded between ticks, so that a tick costs what happens."""
