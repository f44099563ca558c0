"""The levels of a shard made of those of others, for a run with another number of shards."""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from transforms.arrays.hashing import shard_of
from transforms.context.advance_levels import Levels
from transforms.context.erasure.tombstones import Tombstone
from transforms.context.live.resident import Resident
from transforms.context.state.resharding import of_subjects, together


def reshard_levels(kinds: Sequence[str], states: Sequence[bytes], shard: int, shards: int, closed: int) -> Levels:
    """Return what a shard knows that takes its subjects over from others.

    Tombstones do not say whose they are, so each shard keeps them all: they look at nobody who is elsewhere.

    Args:
        kinds: Of the subjects, level by level.
        states: What `Levels.dump` gave of shards among which all of its subjects are; at least one.
        shard: The shard.
        shards: How many there are.
        closed: A tick at which nothing is due in any of them.

    Raises:
        StateError: a state cannot be read, or they are of different versions of the playbook.
        ValueError: there is no room for so many subjects.
    """
    every, made = [Levels(state) for state in states], Levels()
    made.closed = closed
    for n, kind in enumerate(kinds):
        memories = []
        for levels in every:
            memory = levels.residents[n].memory()
            names = memory.subjects["subject"].to_arrow(compat_level=pl.CompatLevel.oldest())
            subjects = names.cast(pa.string())
            memories.append(of_subjects(memory, shard_of(kind, subjects, shards) == shard))
        made.residents.append(Resident(together(memories, closed)))
        stones: set[Tombstone] = {one for levels in every for one in levels.tombstones[n]}
        made.tombstones.append(sorted(one for one in stones if one.until > closed))
    return made
