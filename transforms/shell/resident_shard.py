"""How what a worker holds of a shard of a stream, and what Beam keeps of it, go on together.

What is decoded counts only while its token is that of the shard's cell: a runner may restore an older state under a
living worker, retry a bundle, or move a key to another worker and back.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Generic, NamedTuple

import pyarrow as pa

from transforms.shell.cuts import Kept
from transforms.shell.held import Batches, Held, Known
from transforms.shell.packed_batch import PackedBatch
from transforms.shell.shard_log import Cell
from transforms.shell.tallied import TalliedCounter, TalliedDistribution

_log = logging.getLogger(__name__)


class Owner(NamedTuple):
    """Whose shards a process holds: a stage of a pipeline."""

    pipeline: str
    stage: str


class Residents(Generic[Known]):
    """What the workers of a process hold, by owner and shard; any of its threads may ask.

    Some runners end a worker with each bundle: what it held stays until another pipeline starts.
    """

    def __init__(self, load: Callable[[bytes | None], Known], times: str = "time") -> None:
        """Start with nothing.

        Args:
            load: Decodes a blob, None at first.
            times: The column of times of rows, see `Held`.
        """
        self.load, self.times = load, times
        self._held: dict[tuple[Owner, int], Held[Known]] = {}
        self._workers = Counter[str]()
        self._lock = Lock()

    def start(self, owner: Owner) -> None:
        """Count a worker in; let go of what is left of pipelines that have none."""
        with self._lock:
            self._workers[owner.pipeline] += 1
            self._held = {key: one for key, one in self._held.items() if self._workers[key[0].pipeline]}

    def end(self, owner: Owner) -> None:
        """Count a worker out."""
        with self._lock:
            self._workers[owner.pipeline] -= 1

    def came(self, owner: Owner, shard: int, before: Cell, packed: PackedBatch, after: Cell) -> None:
        """Give a packed batch to the resident that is true of the cell before it, if there is one."""
        with self._lock:
            resident = self._held.get((owner, shard))
        if resident is not None and resident.token == before.token:
            resident.packs.append(packed)
            resident.token = after.token

    def take(self, owner: Owner, shard: int, cell: Cell) -> Held[Known] | None:
        """Take out the resident that is true of a cell; whoever fails with it will find none."""
        with self._lock:
            resident = self._held.pop((owner, shard), None)
        return resident if resident is not None and resident.token == cell.token else None

    def keep(self, owner: Owner, shard: int, resident: Held[Known]) -> None:
        """Hold a resident until it is asked for."""
        with self._lock:
            self._held[owner, shard] = resident


@dataclass(frozen=True)
class ResidentShard(Generic[Known]):
    """A shard of a stage, at work.

    Attributes:
        residents: What the process holds of the shards of such stages.
        owner: The stage.
        number: Of the shard.
        log: Beam's cell of the packed batches that came.
        state: Beam's cell of the blob.
        cell: Beam's cell of what both amount to, a `Cell`.
    """

    residents: Residents[Known]
    owner: Owner
    number: int
    log: Any
    state: Any
    cell: Any

    def start(self, kept: Kept, closed: int | None) -> None:
        """Begin where a cut was made; what came before its seed waits.

        Args:
            kept: What was kept.
            closed: The tick of the cut.

        Raises:
            RuntimeError: the shard has closed a tick already, or the seed holds no state.
        """
        known = Cell.read(self.cell)
        if known.closed is not None or kept.state is None or closed is None:
            raise RuntimeError(f"the seed of shard {kept.key} came after its first tick, or holds no state")
        known = known.seeded(closed, kept.state)
        for waiting in map(PackedBatch, kept.waiting):
            self.log.add(waiting)
            known = known.after(waiting)
        self.state.write(kept.state)
        known.write(self.cell)

    def came(self, before: Cell, packed: PackedBatch) -> None:
        """Take note of a packed batch that is in the log now."""
        after = before.after(packed)
        after.write(self.cell)
        self.residents.came(self.owner, self.number, before, packed, after)

    def held(
        self, known: Cell, tick: int, advance: Callable[[Known, Sequence[pa.RecordBatch], int], Batches]
    ) -> Held[Known]:
        """Return what the process holds, made again from blob and log if that is not true of the cell.

        Args:
            known: What the cell says.
            tick: Distance of ticks, milliseconds.
            advance: Takes what is remembered, what acts and the last tick; returns what waits.
        """
        held = self.residents.take(self.owner, self.number, known)
        if held is not None:
            return held
        remembered = self.residents.load(self.state.read())
        held = Held(known.token, remembered, [*self.log.read()], times=self.residents.times)
        if known.closed is not None:
            TalliedCounter("resident", self.owner.stage).inc()
            _log.info("a shard is made again from its state: it was not in memory")
        if known.closed not in (None, remembered.closed):
            held.replay(known, tick, partial(advance, remembered))
        return held

    def close(self, held: Held[Known], known: Cell, blob: bytes | None) -> None:
        """Write what the cell is after a tick, and a new blob if there is one; hold the rest until it is asked for."""
        if blob is not None:
            TalliedDistribution("state", self.owner.stage).update(len(blob))
            left = held.left()
            self.state.write(blob)
            self.log.clear()
            for packed in left:
                self.log.add(packed)
            known = known.folded(len(blob), left)
        known.write(self.cell)
        held.token = known.token
        self.keep(held)

    def keep(self, held: Held[Known]) -> None:
        """Hold it until it is asked for."""
        self.residents.keep(self.owner, self.number, held)
