"""What the verbs share with Beam: coders, packed batches, timers, routing, and the state of a shard."""
