"""How many shards a run has where nobody says it."""

import os

BYTES_OF_SHARD, CORES_OF_SHARD, MOST_SHARDS = 16 * 1024 * 1024, 2, 4
"""What a shard takes of files, and of the machine of a stream; more bound what is in memory at once."""


def shards_of_files(size: int) -> int:
    """Return how many shards files have that are so many bytes together."""
    return min(MOST_SHARDS, 1 + size // BYTES_OF_SHARD)


def shards_of_machine() -> int:
    """Return how many shards a stream has: a call costs about the same however little happens."""
    return min(MOST_SHARDS, max((os.cpu_count() or 1) // CORES_OF_SHARD, 1))
