"""What a worker holds of a shard of a stream between ticks: what it remembers, decoded, and what waits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from transforms.context.grid import CLOSED_AT, Grid
from transforms.parsing.batches import by_number
from transforms.shell.packed_batch import PackedBatch
from transforms.shell.shard_log import Cell


class _Remembers(Protocol):
    """What a shard remembers."""

    @property
    def closed(self) -> int | None:
        """The last tick, None before the first."""


Known = TypeVar("Known", bound=_Remembers)
Batches = list[pa.RecordBatch]


@dataclass
class Held(Generic[Known]):
    """What a worker holds of a shard.

    Attributes:
        token: Of the cell that it is true of.
        known: What is remembered, decoded.
        packs: Those that no tick has opened.
        waiting: Opened rows, by the tick at which they act.
        times: The column of times of its rows: those with a `time` act at the first tick after it, those with a `tick`
            at that.
    """

    token: bytes
    known: Known
    packs: list[PackedBatch] = field(default_factory=list)
    waiting: list[tuple[int, pa.RecordBatch]] = field(default_factory=list)
    times: str = "time"

    def due(self, upto: int) -> list[pa.RecordBatch]:
        """Take out what acts up to a tick, rows of later ticks in the same packed batches included."""
        opened = [packed.open() for packed in self.packs if self._after(packed) < upto]
        self.packs = [packed for packed in self.packs if self._after(packed) >= upto]
        found = [batch for tick, batch in self.waiting if tick <= upto]
        self.waiting = [(tick, batch) for tick, batch in self.waiting if tick > upto]
        return found + opened

    def every(self) -> list[pa.RecordBatch]:
        """Take out all that has not acted."""
        found = [batch for _, batch in self.waiting] + [packed.open() for packed in self.packs]
        self.packs, self.waiting = [], []
        return found

    def wait(self, batches: list[pa.RecordBatch], tick: int, upto: int) -> None:
        """Keep rows of later ticks than `upto`, those of each apart; `tick` is the distance of ticks."""
        for batch in batches:
            first = max(upto, int(batch.schema.metadata.get(CLOSED_AT, upto))) + tick
            self.waiting += [(max(at, first), rows) for at, rows in self._by_tick(batch, tick)]

    def wake(self, tick: int, upto: int) -> int | None:
        """Return the first tick after `upto` at which something acts."""
        ticks = [max(self._after(packed) // tick + 1, upto // tick + 1) * tick for packed in self.packs]
        return min([*ticks, *(at for at, _ in self.waiting)], default=None)

    def left(self) -> list[PackedBatch]:
        """Return all that has not acted."""
        return [*self.packs, *(PackedBatch.of(batch, self.times) for _, batch in self.waiting)]

    @property
    def _shift(self) -> int:
        """How long before its time a row comes that acts at the first tick after that, milliseconds."""
        return int(self.times == "tick")

    def _after(self, packed: PackedBatch) -> int:
        """Return the time at the first tick after which a packed batch acts."""
        return packed.earliest - self._shift

    def _by_tick(self, batch: pa.RecordBatch, tick: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the rows of each tick at which they act by their times."""
        every = Grid(tick).after(batch[self.times].to_numpy() - self._shift)
        ticks, numbers = np.unique(every, return_inverse=True)
        yield from ((int(ticks[number]), rows) for number, rows in by_number(batch, numbers))

    def replay(self, cell: Cell, tick: int, advance: Callable[[list[pa.RecordBatch], int], Batches]) -> None:
        """Go on from what a blob holds to the last tick: one call over the log equals those that were made.

        Args:
            cell: What blob and log amount to.
            tick: Distance of ticks, milliseconds.
            advance: Takes what acts and the last tick; returns what waits.
        """
        assert cell.closed is not None, "nothing was closed"
        new = [packed for packed in self.packs if packed.closed_at >= cell.closed]
        self.packs = [packed for packed in self.packs if packed.closed_at < cell.closed]
        self.wait(advance(self.due(cell.closed), cell.closed), tick, cell.closed)
        self.packs += new
