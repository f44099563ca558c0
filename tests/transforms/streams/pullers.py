"""Pullers without a broker, for tests: rows of a file or of a list, in partitions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from transforms.parsing.raw import OURS, PARTITION, PUBLISHED, raw_block
from transforms.streams.pull import Position, Pulled

DONE: dict[str, list[Any]] = {}
"""What was acknowledged, by the name of the puller."""

Row = Mapping[str, Any]


def stream_block(rows: Sequence[Row], first: int, signal: str = "usage", origin: str = "fake://x") -> pa.RecordBatch:
    """Return a raw block of rows, which may have `PUBLISHED` and `PARTITION`."""
    names = sorted({name for row in rows for name in row if not name.startswith(OURS)})
    columns = [pa.array([row.get(name) for row in rows]) for name in names]
    block = raw_block(columns, names, np.arange(first, first + len(rows)), "offset")
    metadata = {**block.schema.metadata, b"signal": signal.encode(), b"file": origin.encode()}
    published = pa.array([row.get(PUBLISHED) for row in rows], pa.int64())
    partitions = pa.array([row.get(PARTITION, "") for row in rows], pa.string()).dictionary_encode()
    block = block.append_column(PUBLISHED, published).append_column(PARTITION, partitions)
    return block.replace_schema_metadata(metadata)


@dataclass(frozen=True)
class FakePuller:
    """Gives the rows of a file of JSON Lines, some at a pull, and notes what is acknowledged.

    Attributes:
        name: Under which `DONE` notes it.
        path: The file; it may grow.
        size: Rows of a pull.
        partitions: All that there are.
    """

    name: str
    path: str
    size: int = 100
    partitions: tuple[str, ...] = ()

    def pull(self, position: Position) -> Pulled:
        at = position.get("row", 0)
        rows = [json.loads(line) for line in Path(self.path).read_text().splitlines()[at : at + self.size]]
        blocks = [stream_block(rows, at)] if rows else []
        return Pulled(blocks, [], {"row": at + len(rows)}, at + len(rows) if rows else None, self.partitions)

    def done(self, acks: Sequence[Any]) -> None:
        DONE.setdefault(self.name, []).extend(acks)


@dataclass
class Clock:
    """Processing time that a test moves."""

    now: int = 0

    def __call__(self) -> int:
        return self.now


@dataclass
class Script:
    """Gives batches of rows, a batch a pull, each from its processing time on.

    Attributes:
        clock: Processing time.
        batches: From when it is there, and its rows.
        partitions: All that there are.
        settles: From when on silence means that nothing is there.
    """

    clock: Clock
    batches: Sequence[tuple[int, Sequence[Row]]]
    partitions: tuple[str, ...] = ()
    settles: int = 0

    def __post_init__(self) -> None:
        self.acknowledged: list[Any] = []

    def pull(self, position: Position) -> Pulled:
        at = position.get("batch", 0)
        if at == len(self.batches) or self.batches[at][0] > self.clock():
            return Pulled([], [], position, None, self.partitions, self.clock() >= self.settles)
        return Pulled([stream_block(self.batches[at][1], 0)], [], {"batch": at + 1}, at, self.partitions)

    def done(self, acks: Sequence[Any]) -> None:
        self.acknowledged += acks
