"""What a reader of one address gives: raw blocks, where it goes on, and how it is told that nothing can be lost."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

Position = Mapping[str, Any]
"""Where an address is read on, as JSON; empty: from its beginning, or where its group or subscription stands."""

MOST_ROWS = 10_000
"""Rows of a block, and of a pull."""


class Pulled(NamedTuple):
    """What one pull gave.

    Attributes:
        blocks: Raw blocks as `ReadSignals` gives them, with the metadata `signal`, `file` (the address) and `unit`, and
            the columns `POSITION` (int64), `PUBLISHED` (int64, milliseconds; NULL: not known) and `PARTITION`
            (dictionary of text).
        rejected: Batches of `schemas.records.REJECTED`: records that are none.
        position: Where to go on.
        acks: What `done` takes for all of this, JSON; `None` where there is nothing to be done.
        partitions: All partitions that are read, so that one without a record yet holds the watermark; none: not told.
        settled: Whether silence means that nothing is there; not while another process may still hold records or a
            broker is away.
    """

    blocks: Sequence[pa.RecordBatch]
    rejected: Sequence[pa.RecordBatch]
    position: Position
    acks: Any
    partitions: Sequence[str]
    settled: bool = True


class Puller(Protocol):
    """Reads one address. It is pickled with the pipeline: clients are made at the first pull, and kept by process.

    Pulls come one at a time, on a thread of the address; `done` comes on others, meanwhile too.
    """

    def pull(self, position: Position) -> Pulled:
        """Return what is there, at most `MOST_ROWS`, soon; the position is the truth, wherever a client stands."""
        ...

    def done(self, acks: Sequence[Any]) -> None:
        """Acknowledge, in the order of pulls, what can no longer be lost; again does no harm."""
        ...
