"""Track the context of every subject: features, memberships and moments at each tick."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.metrics import Metrics
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from schemas.durations import DAY, HOUR
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS
from schemas.versions import Versions
from transforms.compiler.features import SUBSCRIBER
from transforms.context.advance_levels import AdvancedLevels, Levels
from transforms.context.erasure.requests import ERASURE
from transforms.shell.packed_batch import PackedBatchCoder, ShardBatch
from transforms.shell.pseudonym_key import key_in_environment
from transforms.shell.routing import elements_of, elements_of_erasures
from transforms.shell.shard_log import Cell, Held, Residents
from transforms.shell.timers import Backlog, TickTimer
from transforms.shell.versions import load_contexts
from transforms.sum_receipts import Removed

END = b"@end"
"""Name of the batch that tells a shard of a bounded run its last tick."""

OUTPUTS = ("transitions", "contexts", "pulse", "rejected", "receipts")

PULSE_WINDOWS = (HOUR, DAY)
"""In which segments are told of, milliseconds."""

_RESIDENTS = Residents[Levels]()


def end_batch(tick: int) -> pa.RecordBatch:
    """Return the batch that ends a shard's input at a tick."""
    schema = pa.schema([("time", pa.int64())], metadata={b"signal": END})
    return pa.record_batch([pa.array([tick])], schema=schema)


def end_tick(tick: int, greatest: int | None) -> int:
    """Return the first tick after a time; a bounded run ends at that of the greatest accepted event time.

    Args:
        tick: Distance of ticks, milliseconds.
        greatest: The time, None for none at all.
    """
    return 0 if greatest is None else greatest - greatest % tick + tick


def split_end(batches: Iterable[pa.RecordBatch]) -> tuple[list[pa.RecordBatch], int | None]:
    """Tell signals and the end of input apart; the end is None where it was not told."""
    signals, end = [], None
    for batch in batches:
        if batch.schema.metadata[b"signal"] == END:
            end = batch["time"][0].as_py()
        else:
            signals.append(batch)
    return signals, end


class _Shell:
    """What the shells of subscribers and of groups share: they differ in the name of their timer.

    Beam wants state and timers spelled out on each DoFn.
    """

    COUNTS: ClassVar = {
        name: Metrics.counter("signals", name)
        for name in ("applied", "late", "contradictory", "doubtful", "duplicates", "too_late", "erased", "pending")
    } | {"groups_too_large": Metrics.counter("groups", "too_large")}

    def __init__(self, track: "TrackContexts", alarm: TickTimer) -> None:
        self._versions, self._levels = Versions((track.playbook, *track.later)), track.levels
        self._shards = track.shards
        self._alarm, self._complete_from = alarm, track.complete_from
        self._windows = PULSE_WINDOWS if track.pulse else ()

    def setup(self) -> None:
        self._contexts = load_contexts(self._versions)
        self._tick = self._versions.first.tick
        self._salt = key_in_environment()
        hashes = [book.content_hash for book in self._versions.playbooks]
        self._owner = repr((self._alarm.stage, hashes, self._complete_from, self._windows, self._salt))

    def teardown(self) -> None:
        _RESIDENTS.forget(self._owner)

    def hold(self, element: ShardBatch, log: Any, cell: Any, wake: Any, timer: Any) -> None:
        """Keep a parcel until its first tick is due."""
        before = Cell() if self._alarm.bounded else Cell.read(cell)
        shard, parcel = element[0], element[1].came_at(before.closed)
        log.add(parcel)
        if not self._alarm.bounded:
            after = before.after(parcel)
            after.write(cell)
            _RESIDENTS.came(self._owner, shard, before, parcel, after)
        open_from = (before.closed or 0) + self._tick
        self._alarm.at(max(end_tick(self._tick, parcel.earliest), open_from), wake, timer)

    def fire(
        self, fired: Timestamp, shard: int, log: Any, state: Any, cell: Any, wake: Any, timer: Any
    ) -> Iterator[Any]:
        """Advance to the tick of a timer, unless that is stale."""
        tick = self._alarm.due(fired, wake)
        if tick is None:
            return iter(())
        if self._alarm.bounded:
            return self._finish(tick, log)
        return self.advance_to(tick, shard, log, state, cell, wake, timer)

    def _finish(self, tick: int, log: Any) -> Iterator[Any]:
        """Advance to the end of a bounded input, where that was told, or else to the tick."""
        signals, end = split_end(parcel.open() for parcel in log.read())
        advanced = self._advance(None, None, signals, tick if end is None else end)
        self._count(advanced)
        yield from self._elements(advanced)

    def advance_to(
        self, tick: int, shard: int, log: Any, state: Any, cell: Any, wake: Any, timer: Any
    ) -> Iterator[Any]:
        """Advance to a tick; state is written last."""
        known = Cell.read(cell)
        held = _RESIDENTS.take(self._owner, shard, known) or self._rebuilt(known, log, state)
        signals = held.due(tick)
        if any(batch.schema.metadata[b"signal"] == ERASURE.encode() for batch in signals):
            signals += held.every()  # what waits is erased, too
        advanced = self._advance(held.known, known.closed, signals, tick)
        elements = list(self._elements(advanced))
        held.wait(advanced.waiting, self._tick, tick)
        known = known.at(tick)
        if known.full or any(one.acted for one in advanced.erased):  # what was erased is in the log, too
            blob, left = advanced.state, held.left()
            state.write(blob)
            log.clear()
            for parcel in left:
                log.add(parcel)
            known = known.folded(len(blob), left)
        known.write(cell)
        held.token = known.token
        _RESIDENTS.keep(self._owner, shard, held)
        ticks = [at for at in (advanced.wake, held.wake(self._tick, tick)) if at is not None]
        if ticks:
            self._alarm.at(min(ticks), wake, timer)
        self._count(advanced)
        return iter(elements)

    def _rebuilt(self, cell: Cell, log: Any, state: Any) -> Held[Levels]:
        """Return what blob and log amount to: one call over the log equals those that were made, tick by tick."""
        held = Held(cell.token, Levels(state.read()), [*log.read()])
        if cell.closed is not None and cell.closed != held.known.closed:
            new = [parcel for parcel in held.parcels if parcel.floor >= cell.closed]
            held.parcels = [parcel for parcel in held.parcels if parcel.floor < cell.closed]
            signals = held.due(cell.closed)
            advanced = self._advance(held.known, held.known.closed, signals, cell.closed)
            held.wait(advanced.waiting, self._tick, cell.closed)
            held.parcels += new
        return held

    def _advance(
        self, known: Levels | None, closed: int | None, signals: Sequence[pa.RecordBatch], upto: int
    ) -> AdvancedLevels:
        options: dict[str, Any] = {"complete_from": self._complete_from, "final": self._alarm.bounded}
        options |= {"pulse": self._windows, "salt": self._salt}
        return self._contexts.advance(self._levels, known, closed, signals, upto, **options)

    def _elements(self, advanced: AdvancedLevels) -> Iterator[Any]:
        yield from elements_of(advanced, self._shards)
        yield from elements_of_erasures(advanced.erased, self._alarm.stage, self._shards)

    def _count(self, advanced: AdvancedLevels) -> None:
        """Count what became of signals; what waits is pending only where nothing follows."""
        counts = Counter[str]()
        for told in (*(one.counts for one in advanced.every), *(one.counts for one in advanced.erased)):
            counts.update(told)
        counts["too_late"], counts["pending"] = counts["rejected"], advanced.pending if self._alarm.bounded else 0
        for name, counter in self.COUNTS.items():
            counter.inc(counts[name])


class _TrackSubscribers(_Shell, beam.DoFn):
    """Holds a shard's signals until their ticks are due, then advances its contexts."""

    LOG = BagStateSpec("log", PackedBatchCoder())
    STATE = ReadModifyWriteStateSpec("state", BytesCoder())
    CELL = ReadModifyWriteStateSpec("cell", BytesCoder())
    WAKE = ReadModifyWriteStateSpec("wake", VarIntCoder())
    TIMER = TimerSpec("track_subscribers", TimeDomain.WATERMARK)

    def process(
        self,
        element: ShardBatch,
        log: Any = beam.DoFn.StateParam(LOG),
        cell: Any = beam.DoFn.StateParam(CELL),
        wake: Any = beam.DoFn.StateParam(WAKE),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        self.hold(element, log, cell, wake, timer)

    @on_timer(TIMER)
    def advance(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        shard: int = beam.DoFn.KeyParam,
        log: Any = beam.DoFn.StateParam(LOG),
        state: Any = beam.DoFn.StateParam(STATE),
        cell: Any = beam.DoFn.StateParam(CELL),
        wake: Any = beam.DoFn.StateParam(WAKE),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[Any]:
        yield from self.fire(fired, shard, log, state, cell, wake, timer)


class _TrackGroups(_Shell, beam.DoFn):
    """The same for households and SMEs, a tick's work after that of subscribers."""

    LOG = BagStateSpec("log", PackedBatchCoder())
    STATE = ReadModifyWriteStateSpec("state", BytesCoder())
    CELL = ReadModifyWriteStateSpec("cell", BytesCoder())
    WAKE = ReadModifyWriteStateSpec("wake", VarIntCoder())
    TIMER = TimerSpec("track_groups", TimeDomain.WATERMARK)

    def process(
        self,
        element: ShardBatch,
        log: Any = beam.DoFn.StateParam(LOG),
        cell: Any = beam.DoFn.StateParam(CELL),
        wake: Any = beam.DoFn.StateParam(WAKE),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        self.hold(element, log, cell, wake, timer)

    @on_timer(TIMER)
    def advance(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        shard: int = beam.DoFn.KeyParam,
        log: Any = beam.DoFn.StateParam(LOG),
        state: Any = beam.DoFn.StateParam(STATE),
        cell: Any = beam.DoFn.StateParam(CELL),
        wake: Any = beam.DoFn.StateParam(WAKE),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[Any]:
        yield from self.fire(fired, shard, log, state, cell, wake, timer)


@dataclass(eq=False, kw_only=True)
class TrackContexts(beam.PTransform):
    """Advance the contexts of subscribers, or of groups, a shard at a time.

    In: (shard, parcel of signals), in the global window; an element's timestamp is its smallest event time. A bounded
    run also brings each shard one `end_batch`.

    Out: `triggers` (shard of the contact root, parcel of triggers or of facts), `told` (shard of the group, parcel of
    signals; what subscribers tell their groups), under `transitions`, `contexts` and `rejected` record batches as in
    `schemas.records`, under `pulse` what `DescribeSegments` takes, and under `receipts` what `SumReceipts` does.
    Erasures of groups come to every shard of subscribers, too; those of subscribers are told to every shard of groups,
    and all to every shard of decisions. Signals later than the allowed lateness are
    rejected; late ones correct their windows and trigger nothing unless the playbook says so. Any error of our own
    fails the bundle.

    Attributes:
        playbook: What to track.
        later: The versions of it that take over, in their order.
        bounded: Whether the input ends.
        shards: Number of shards, the same in all stages.
        groups: Whether to track households and SMEs, not subscribers.
        complete_from: Since when a run without state has all signals (milliseconds), None for ever.
        backlog: History that an unbounded run catches up with.
        pulse: Whether to tell what `DescribeSegments` takes.
    """

    playbook: Playbook
    later: tuple[Playbook, ...] = ()
    bounded: bool
    shards: int
    groups: bool = False
    complete_from: int | None = None
    backlog: Backlog | None = None
    pulse: bool = False

    @property
    def levels(self) -> tuple[str, ...]:
        """The kinds of subjects that are tracked."""
        return GROUPS if self.groups else (SUBSCRIBER,)

    def expand(self, signals: beam.PCollection[ShardBatch]) -> Any:
        """Return the outputs by name."""
        stage, shell = ("track_groups", _TrackGroups) if self.groups else ("track_subscribers", _TrackSubscribers)
        track = beam.ParDo(shell(self, TickTimer(stage, self.bounded, self.backlog)))
        tags = {"told": ShardBatch, **dict.fromkeys(OUTPUTS, pa.RecordBatch), "receipts": Removed}
        made = signals | "Advance" >> track.with_output_types(ShardBatch, **tags).with_outputs(*tags, main="triggers")
        return {name: made[name] for name in ("triggers", *tags)}
