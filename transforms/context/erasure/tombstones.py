"""Tombstones: about whom nothing is taken in until when, known by salted hashes alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.playbook_levels import GROUPS
from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.hashing import apart
from transforms.arrays.plain_arrow import used
from transforms.compiler.features import MEMBER, MEMBERSHIP
from transforms.context.grid import Grid
from transforms.context.ingest.source_liveness import FEED

Who = tuple[str, str]
"""Kind of a subject, and its salted hash."""


class Tombstone(msgspec.Struct, array_like=True, frozen=True, order=True):
    """One erasure of one subject.

    Attributes:
        kind: Of the subject.
        subject: Its salted hash.
        request: The salted hash of the erasure's source and id, by which a copy is known.
        until: The first tick at which signals are taken in again, milliseconds.
    """

    kind: str
    subject: str
    request: str
    until: int


def salted(salt: bytes, *parts: str) -> str:
    """Return the keyed BLAKE2b-128, hex, of texts.

    Raises:
        ValueError: there is no salt, so that the hash would hide nothing.
    """
    if not salt:
        raise ValueError("an erasure needs a salt: set the key that `pseudonymise` uses, and keep it")
    return blake2b(apart(*parts), digest_size=16, key=salt, person=b"tombstone").hexdigest()


def spare(
    grid: Grid, first: int, batches: Sequence[pa.RecordBatch], tombstones: Sequence[Tombstone], salt: bytes
) -> tuple[list[pa.RecordBatch], Counter[Who], int]:
    """Part signals from those about subjects that are erased at the tick at which they would act.

    A membership is about its group, too.

    Args:
        grid: Ticks.
        first: The first open tick.
        batches: Signal batches.
        tombstones: Whom to look for; nothing is hashed where there are none.
        salt: Of the hashes.

    Returns:
        The batches without these rows, how many rows of whom were left out, and how many of them were signals that
        nobody had counted before: a group's rows of its members are counted by these.
    """
    ends: dict[Who, int] = {}
    for one in tombstones:
        ends[one.kind, one.subject] = max(one.until, ends.get((one.kind, one.subject), 0))
    if not ends:
        return [*batches], Counter(), 0
    kept, found, signals = [], Counter[Who](), 0
    for batch in batches:
        gone = _gone(grid, first, batch, ends, salt, found)
        signals += 0 if MEMBER in batch.schema.names else int(gone.sum())
        kept.append(batch.filter(pa.array(~gone)) if gone.any() else batch)
    return [batch for batch in kept if batch.num_rows], found, signals


def _gone(
    grid: Grid, first: int, batch: pa.RecordBatch, ends: Mapping[Who, int], salt: bytes, found: Counter[Who]
) -> Bools:
    """Tell which rows of a batch are about somebody who is erased, and count of whom they are."""
    acts = np.maximum(grid.after(batch["time"].to_numpy()), first)
    gone = np.zeros(len(acts), np.bool_)
    for kind, subjects in _subjects(batch):
        if not any(kind == one for one, _ in ends):
            continue
        encoded = isinstance(subjects, pa.DictionaryArray)
        coded = used(subjects) if encoded else subjects.dictionary_encode()
        whom = [salted(salt, kind, name) for name in coded.dictionary.to_pylist()]
        until: Ints = np.array([*(ends.get((kind, one), 0) for one in whom), 0], np.int64)
        indices = coded.indices.fill_null(len(whom)).to_numpy()
        mine = (acts < until[indices]) & ~gone
        for index, count in zip(*np.unique(indices[mine], return_counts=True), strict=True):
            found[kind, whom[index]] += int(count)
        gone |= mine
    return gone


def _subjects(batch: pa.RecordBatch) -> list[tuple[str, pa.Array]]:
    """Return whom rows are about, by kind; null where they are not about that kind. Feeds are about nobody."""
    metadata = batch.schema.metadata
    if metadata[b"signal"] == FEED:
        return []
    found = [(metadata[b"subject_kind"].decode(), batch["subject"])]
    if metadata[b"signal"] == MEMBERSHIP.encode() and "group" in batch.schema.names:
        groups, kinds, nobody = batch["group"], batch["group_kind"], pa.scalar(None, pa.string())
        found += [(kind, pc.if_else(pc.equal(kinds, kind), groups, nobody)) for kind in GROUPS]
    return found
