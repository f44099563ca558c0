"""Erasures that were done after a cut, done again from it, at their ticks: also if nobody asks for them again."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import polars as pl
import pyarrow as pa

from schemas.playbook_levels import GROUPS, LEVELS
from transforms.arrays.hashing import shard_of
from transforms.context.advance_levels import Levels
from transforms.context.erasure.names import Named, found_among, keep_out
from transforms.context.erasure.names import names_of as names_of_levels
from transforms.context.erasure.requests import ERASURE
from transforms.decision import ledger_state as ledgers
from transforms.decision.names import names_of as names_of_ledger
from transforms.shell.cuts import Kept
from transforms.shell.packed_batch import PackedBatch, ShardBatch, to_all
from transforms.shell.resharding import KINDS_OF
from transforms.streams.erasures import Done

KeptBy = tuple[str, Kept]
"""A stage, and what a shard of it kept."""


def asked_again(
    kept: Iterable[KeptBy], done: Sequence[Done], kinds: Sequence[str], shards: int, tick: int, salt: bytes
) -> Iterator[list[tuple[str, ShardBatch]]]:
    """Yield the erasures of those of whom anything is known at a cut, as signals: of each, what which stages take.

    Args:
        kept: What all shards kept.
        done: Erasures after the cut.
        kinds: Of the subjects of the playbook.
        shards: The number of shards of the run.
        tick: Distance of ticks, milliseconds.
        salt: Of the hashes.
    """
    wanted = {(one.subject_kind, one.token) for one in done}
    found = found_among(chain.from_iterable(_names(kinds, *one) for one in kept), wanted, salt)
    for one in done:
        name = found.get((one.subject_kind, one.token))
        if name is not None:
            batch = _signal(one, name, tick)
            (shard,) = shard_of(one.subject_kind, batch["subject"], shards).tolist()
            own = (shard, PackedBatch.of(batch))
            if one.subject_kind in GROUPS:
                yield [("track_groups", own), *(("track_subscribers", each) for each in to_all(batch, shards))]
            else:
                yield [("track_subscribers", own)]


def without_strangers(
    stage: str, kept: Kept, kinds: Sequence[str], until: dict[tuple[str, str], int], salt: bytes
) -> Kept:
    """Return what a shard starts from, which takes nothing in of those who are to be erased and not known to it.

    Args:
        stage: Of the shard.
        kept: What it starts from.
        kinds: Of the subjects of the playbook.
        until: By kind and salted hash the first tick at which signals are taken in again.
        salt: Of the hashes.
    """
    if stage not in KINDS_OF or not until:
        return kept
    levels = Levels(kept.state)
    keep_out([kind for kind in KINDS_OF[stage] if kind in kinds], levels, until, salt)
    return Kept(kept.key, kept.closed, kept.wake, levels.dump(), kept.waiting)


def _names(kinds: Sequence[str], stage: str, kept: Kept) -> Iterator[Named]:
    if stage in KINDS_OF:
        yield from names_of_levels([kind for kind in KINDS_OF[stage] if kind in kinds], Levels(kept.state))
    else:
        yield from names_of_ledger(ledgers.load(kept.state))
    for batch in (PackedBatch(content).open() for content in kept.waiting):
        kind = batch.schema.metadata.get(b"subject_kind", LEVELS[0].encode()).decode()
        if "subject" in batch.schema.names:
            yield kind, pl.Series(batch["subject"].cast(pa.string()).to_pylist(), dtype=pl.String)


def _signal(done: Done, name: str, tick: int) -> pa.RecordBatch:
    """Return an erasure as a signal that acts at its tick."""
    columns = {"id": done.id, "source": done.source, "subject": name}
    arrays = {column: pa.array([value], pa.string()) for column, value in columns.items()}
    arrays["time"] = pa.array([done.tick - tick], pa.int64())
    batch = pa.RecordBatch.from_pydict({key: arrays[key] for key in ("id", "source", "time", "subject")})
    return batch.replace_schema_metadata({b"signal": ERASURE.encode(), b"subject_kind": done.subject_kind.encode()})
