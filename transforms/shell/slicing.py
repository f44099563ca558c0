"""A long history in slices: which slice a row belongs to, and the files in which rows wait for theirs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec
import numpy as np
import pyarrow as pa

from transforms.arrays.dtypes import Ints
from transforms.context.erasure.requests import ERASURE
from transforms.context.grid import Grid
from transforms.parsing.parser import TIMES, Tag
from transforms.shell.packed_batch import PackedBatch, ShardBatch

SCHEMA = pa.schema([pa.field("shard", pa.int32()), pa.field("content", pa.large_binary())])
"""Rows of a spill file: a packed batch each, and its shard."""


@dataclass(frozen=True)
class Slicing:
    """How a history is cut into slices: the ticks in (n · length, (n + 1) · length] are slice n.

    Attributes:
        tick: That of the playbook, milliseconds.
        length: Of a slice, milliseconds, a multiple of the tick.
        closed: The tick that is closed when the run starts: what is older acts at the next.
        until: The last tick of the run; what is later waits in its slice. None: there is no last.
    """

    tick: int
    length: int
    closed: int | None = None
    until: int | None = None

    def end(self, number: int) -> int:
        """Return the last tick of a slice."""
        return (number + 1) * self.length

    def parts(self, packed: PackedBatch, tag: Tag) -> Iterator[tuple[int, PackedBatch]]:
        """Yield the slices that rows belong to, each with its rows."""
        ends = self._numbers(np.array([packed.earliest, packed.latest]), tag)
        if ends[0] == ends[1]:
            yield int(ends[0]), packed
            return
        batch = packed.open()
        numbers = self._numbers(batch[TIMES[tag]].to_numpy(), tag)
        for number in np.unique(numbers).tolist():
            yield number, PackedBatch.of(batch.filter(pa.array(numbers == number)), TIMES[tag])

    def _numbers(self, times: Ints, tag: Tag) -> Ints:
        """Return the slice of each time, which is that of its tick."""
        ticks = times if TIMES[tag] == "tick" else Grid(self.tick).after(times)
        if self.closed is not None:
            ticks = np.maximum(ticks, self.closed + self.tick)
        if self.until is not None:
            ticks = np.minimum(ticks, self.until)
        return np.asarray((ticks - 1) // self.length, np.int64)


class Spilled(msgspec.Struct, frozen=True, order=True):
    """A file of rows that wait for their slice.

    Attributes:
        slice: Its number.
        tag: What the rows are.
        name: Of the file, in the folder of the spill.
        latest: The greatest time of its signals, milliseconds.
        erases: Whether there are erasures among them.
    """

    slice: int
    tag: Tag
    name: str
    latest: int
    erases: bool


def write_spilled(directory: str, number: int, tag: Tag, batches: Sequence[ShardBatch]) -> Spilled:
    """Write packed batches of one slice to a new file, zstd."""
    name = f"{tag}-{number}-{uuid4().hex}.arrow"
    content = [packed.content for _, packed in batches]
    table = pa.table(
        [pa.array([shard for shard, _ in batches], pa.int32()), pa.array(content, pa.large_binary())], SCHEMA
    )
    with (
        pa.OSFile(str(Path(directory, name)), "wb") as sink,
        pa.ipc.new_stream(sink, SCHEMA, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer,
    ):
        writer.write_table(table)
    latest = max(_latest(packed, tag) for _, packed in batches)
    return Spilled(number, tag, name, latest, any(map(is_erasure, batches)))


def read_spilled(directory: str, name: str) -> Iterator[ShardBatch]:
    """Yield the packed batches of a file."""
    with pa.OSFile(str(Path(directory, name)), "rb") as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            yield from zip(batch["shard"].to_pylist(), map(PackedBatch, batch["content"].to_pylist()), strict=True)


def is_erasure(element: ShardBatch) -> bool:
    """Tell whether rows are erasures."""
    return bool(element[1].open().schema.metadata[b"signal"] == ERASURE.encode())


def _latest(packed: PackedBatch, tag: Tag) -> int:
    """Return the greatest time of signals, of notices too, whose bounds are ticks."""
    return packed.latest if TIMES[tag] == "time" else PackedBatch.of(packed.open()).latest
