"""What a key of a stage starts from where a cut has other shards, or is of another playbook: as of the cut's tick."""

from collections.abc import Iterable, Iterator, Sequence
from math import gcd

import pyarrow as pa

from schemas.playbook_levels import GROUPS, LEVELS
from schemas.records import ERASED
from transforms.arrays.plain_arrow import framed, tabled
from transforms.context.reshard_levels import reshard_levels
from transforms.decision import ledger_state as ledgers
from transforms.decision.reshard_ledgers import about_everybody, of_shard, reshard_ledgers
from transforms.parsing.batches import by_shard
from transforms.shell.cuts import Kept
from transforms.shell.packed_batch import PackedBatch

KINDS_OF = {"track_subscribers": LEVELS[:1], "track_groups": GROUPS}
"""Whose contexts a stage has, where the playbook has them."""

SHARDED = (*KINDS_OF, "decide_offers")
"""The stages whose keys are shards."""


def sources_of(shard: int, shards: int, before: int) -> list[int]:
    """Return the shards, of so many as there were before, that may have subjects of a shard."""
    return [one for one in range(before) if (one - shard) % gcd(before, shards) == 0]


def as_of_cut(
    stage: str, kinds: Sequence[str], kept: Sequence[Kept], shard: int, shards: int, tick: int
) -> Kept | None:
    """Return what a shard starts from, of what others kept at a cut; None where they know nothing.

    Nothing is due up to the cut in any of them, so each is what it would be had it acted there.

    Args:
        stage: One of `SHARDED`.
        kinds: Of the subjects of the playbook.
        kept: Of the shards among which all of its subjects are.
        shard: The shard.
        shards: How many there are.
        tick: Of the cut.

    Raises:
        StateError: a state cannot be read, or they are of different versions of the playbook.
        ValueError: there is no room for so many subjects.
    """
    states = [one.state for one in kept if one.state is not None]
    if not states:
        return None
    wake = min((one.wake for one in kept if one.wake is not None), default=None)
    batches = [PackedBatch(content).open() for one in kept for content in one.waiting]
    if stage in KINDS_OF:
        mine = [kind for kind in KINDS_OF[stage] if kind in kinds]
        state = reshard_levels(mine, states, shard, shards, tick).dump()
        left = [PackedBatch.of(rows) for rows in _signals(mine, batches, shard, shards)]
        return Kept(str(shard), tick, wake, state, [one.content for one in left])
    state = ledgers.packed(reshard_ledgers(states, shard, shards, tick))
    left = [PackedBatch.of(rows, "tick") for rows in _told(batches, shard, shards)]
    return Kept(str(shard), None, wake, state, [one.content for one in left])


def _signals(kinds: Sequence[str], batches: Iterable[pa.RecordBatch], shard: int, shards: int) -> list[pa.RecordBatch]:
    """Return the signals of a shard; what is not about its own kinds of subjects came to every one."""
    mine, of_all = [], []
    for batch in batches:
        if batch.schema.metadata[b"subject_kind"].decode() in kinds:
            mine += [rows for number, rows in by_shard(batch, shards) if number == shard]
        else:
            of_all.append(batch)
    return [*mine, *_once(of_all)]


def _told(batches: Iterable[pa.RecordBatch], shard: int, shards: int) -> list[pa.RecordBatch]:
    """Return what contact roots of a shard are told; what everybody is told came to every shard, as erasures did."""
    mine, of_all = [], []
    for batch in batches:
        if batch.schema.metadata[b"signal"] == ERASED.metadata[b"signal"]:
            of_all.append(batch)
            continue
        of_all.append(batch.filter(pa.array(about_everybody(batch))))
        mine.append(batch.filter(pa.array(of_shard(batch, shard, shards))))
    return [batch for batch in (*mine, *_once(of_all)) if batch.num_rows]


def _once(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the rows that every shard has, once."""
    alike: dict[tuple[tuple[bytes, bytes], ...], list[pa.RecordBatch]] = {}
    for batch in batches:
        alike.setdefault(tuple(sorted(batch.schema.metadata.items())), []).append(batch)
    for some in alike.values():
        rows = framed(pa.concat_tables(pa.table(one) for one in some)).unique(maintain_order=True)
        yield from tabled(rows, some[0].schema).to_batches()
