"""The state of a shard of a stream: a blob as of some tick, all that came since, and a cell that says what that makes.

What is decoded stays in the worker between ticks. It counts only while its token is that of the cell: a runner may
restore an older state under a living worker, retry a bundle, or move a key to another worker and back.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from threading import Lock
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from schemas.durations import DAY
from transforms.context.grid import CLOSED_AT, Grid
from transforms.parsing.batches import by_number
from transforms.shell.cuts import Kept
from transforms.shell.packed_batch import PackedBatch

LEAST_LOG = 1024 * 1024
"""Bytes of log under which no new blob is made: some 20,000 rows, which take a moment to replay."""
LOG_SHARE = 4
"""Of the blob, as much log as makes a new one due: a rebuilt shard replays no more."""
OLDEST = DAY
"""How far a log goes back: what a state has forgotten is not kept there for much longer."""

Known = TypeVar("Known")
Advance = Callable[[list[pa.RecordBatch], int], list[pa.RecordBatch]]


class Cell(msgspec.Struct, array_like=True, frozen=True):
    """What blob and log amount to.

    Attributes:
        closed: The last tick, None before the first.
        since: The tick of the blob, or the first.
        token: Digest of all that came and of the ticks, in their order.
        blob: Bytes of the blob.
        logged: Bytes of the log.
    """

    closed: int | None = None
    since: int | None = None
    token: bytes = b""
    blob: int = 0
    logged: int = 0

    @classmethod
    def read(cls, cell: Any) -> "Cell":
        """Return what a state cell holds."""
        packed = cell.read()
        return cls() if packed is None else msgspec.msgpack.decode(packed, type=cls)

    def write(self, cell: Any) -> None:
        """Put it into a state cell."""
        cell.write(msgspec.msgpack.encode(self))

    def after(self, packed: PackedBatch) -> "Cell":
        """Return the cell after a packed batch came."""
        token, logged = _digest(self.token, packed.content), self.logged + len(packed.content)
        return msgspec.structs.replace(self, token=token, logged=logged)

    def seeded(self, closed: int, blob: bytes) -> "Cell":
        """Return the cell that starts from a blob of a tick; what came before is in the log."""
        token = _digest(self.token, blob)
        return msgspec.structs.replace(self, closed=closed, since=closed, token=token, blob=len(blob))

    def at(self, tick: int) -> "Cell":
        """Return the cell after a tick."""
        since = tick if self.since is None else self.since
        return msgspec.structs.replace(self, closed=tick, since=since, token=_digest(self.token, b"%d" % tick))

    def folded(self, blob: int, left: list[PackedBatch]) -> "Cell":
        """Return the cell after a new blob, which all that came is part of but for what is left."""
        logged = sum(len(packed.content) for packed in left)
        return msgspec.structs.replace(self, since=self.closed, blob=blob, logged=logged)

    @property
    def full(self) -> bool:
        """Whether a new blob is due."""
        old = self.closed is not None and self.since is not None and self.closed - self.since >= OLDEST
        return old or self.logged > max(LEAST_LOG, LOG_SHARE * self.blob)


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


class Owner(NamedTuple):
    """Whose shards a process holds: a stage of a pipeline."""

    pipeline: str
    stage: str


class Residents(Generic[Known]):
    """What the workers of a process hold, by owner and shard; any of its threads may ask.

    Some runners end a worker with each bundle: what it held stays until another pipeline starts.
    """

    def __init__(self) -> None:
        """Start with nothing."""
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


def start_from(kept: Kept, closed: int | None, log: Any, state: Any, cell: Any) -> None:
    """Begin where a cut was made; what came before its seed waits.

    Args:
        kept: What was kept.
        closed: The tick of the cut.
        log: The cell of what came.
        state: The cell of the blob.
        cell: The cell of the shard's `Cell`.

    Raises:
        RuntimeError: the shard has closed a tick already, or the seed holds no state.
    """
    known = Cell.read(cell)
    if known.closed is not None or kept.state is None or closed is None:
        raise RuntimeError(f"the seed of shard {kept.key} came after its first tick, or holds no state")
    known = known.seeded(closed, kept.state)
    for waiting in map(PackedBatch, kept.waiting):
        log.add(waiting)
        known = known.after(waiting)
    state.write(kept.state)
    known.write(cell)


def fold(known: Cell, blob: bytes, left: list[PackedBatch], log: Any, state: Any) -> Cell:
    """Write a new blob, and of the log what has not acted; return what the cell is then."""
    state.write(blob)
    log.clear()
    for packed in left:
        log.add(packed)
    return known.folded(blob=len(blob), left=left)


def replay(held: Held[Known], cell: Cell, tick: int, advance: Advance) -> None:
    """Bring what a blob and its log hold to the last tick: one call over the log equals those that were made.

    Args:
        held: What the blob holds, and all packed batches of the log.
        cell: What that amounts to.
        tick: Distance of ticks, milliseconds.
        advance: Takes what acts and the last tick; returns what waits.
    """
    assert cell.closed is not None, "nothing was closed"
    new = [packed for packed in held.packs if packed.closed_at >= cell.closed]
    held.packs = [packed for packed in held.packs if packed.closed_at < cell.closed]
    waiting = advance(held.due(cell.closed), cell.closed)
    held.wait(waiting, tick, cell.closed)
    held.packs += new


def _digest(token: bytes, content: bytes) -> bytes:
    return blake2b(content, key=token, digest_size=16).digest()
