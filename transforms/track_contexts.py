"""Track the context of every subject: features, memberships and moments at each tick."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import apache_beam as beam
import polars as pl
import pyarrow as pa
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.metrics import Metrics
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from schemas.playbook import Playbook
from transforms.context.advance import Advanced, advance
from transforms.context.definitions import ContextPlan
from transforms.context.plan import load_plan
from transforms.parcel import Parcel, ParcelCoder, ShardParcel
from transforms.parsing.raw import Rejection, rejected_batch
from transforms.ticking import Alarm, Backlog

END = b"@end"
"""Name of the batch that tells a shard of a bounded run its last tick."""

OUTPUTS = ("transitions", "contexts", "rejected")


def end_batch(tick: int) -> pa.RecordBatch:
    """Return the batch that ends a shard's input at a tick."""
    schema = pa.schema([("time", pa.int64())], metadata={b"signal": END})
    return pa.record_batch([pa.array([tick])], schema=schema)


def end_tick(plan: ContextPlan, greatest: int | None) -> int:
    """Return the tick that ends a bounded run: the first after the greatest accepted event time."""
    return 0 if greatest is None else greatest - greatest % plan.grid.tick + plan.grid.tick


def split_end(batches: Iterable[pa.RecordBatch]) -> tuple[list[pa.RecordBatch], int | None]:
    """Tell signals and the end of input apart; the end is None where it was not told."""
    signals, end = [], None
    for batch in batches:
        if batch.schema.metadata[b"signal"] == END:
            end = batch["time"][0].as_py()
        else:
            signals.append(batch)
    return signals, end


def reject_too_late(signal: str, rows: pa.Table) -> pa.RecordBatch:
    """Return the rejections of signals that came after the allowed lateness, the payload as JSON."""
    message = f"`{signal}` came later than `allowed_lateness`; replay it into a new run from before its time"
    rejections = {}
    for source, mine in pl.DataFrame(rows).partition_by("source", as_dict=True, maintain_order=True).items():
        lines = mine.write_ndjson().encode().splitlines()
        found = [Rejection.of(f"id {i}", "too_late", message, line) for i, line in zip(mine["id"], lines, strict=True)]
        rejections[str(source[0])] = found
    return pa.concat_batches([rejected_batch(name, "TrackContexts", found) for name, found in rejections.items()])


class _Track(beam.DoFn):
    """Holds a shard's batches until their ticks are due, then advances its contexts."""

    WAITING = BagStateSpec("waiting", ParcelCoder())
    STATE = ReadModifyWriteStateSpec("state", BytesCoder())
    CLOSED = ReadModifyWriteStateSpec("closed", VarIntCoder())
    WAKE = ReadModifyWriteStateSpec("wake", VarIntCoder())
    TIMER = TimerSpec("track_subscribers", TimeDomain.WATERMARK)
    COUNTS: ClassVar = {
        name: Metrics.counter("signals", name) for name in ("applied", "late", "duplicates", "too_late", "pending")
    }

    def __init__(self, playbook: Playbook, alarm: Alarm, complete_from: int | None) -> None:
        self._playbook, self._alarm, self._complete_from = playbook, alarm, complete_from

    def setup(self) -> None:
        self._plan = load_plan(self._playbook)

    def process(
        self,
        element: ShardParcel,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        closed: Any = beam.DoFn.StateParam(CLOSED),
        wake: Any = beam.DoFn.StateParam(WAKE),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        parcel = element[1]
        waiting.add(parcel)
        open_from = (closed.read() or 0) + self._plan.grid.tick
        self._alarm.at(max(end_tick(self._plan, parcel.earliest), open_from), wake, timer)

    @on_timer(TIMER)
    def advance(
        self,
        shard: int = beam.DoFn.KeyParam,
        fired: Timestamp = beam.DoFn.TimestampParam,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        state: Any = beam.DoFn.StateParam(STATE),
        closed: Any = beam.DoFn.StateParam(CLOSED),
        wake: Any = beam.DoFn.StateParam(WAKE),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[Any]:
        tick = self._alarm.due(fired, wake)
        if tick is None:
            return
        signals, end = split_end(parcel.open() for parcel in waiting.read())
        upto = tick if end is None else end
        advanced = advance(
            self._plan,
            state.read(),
            signals,
            upto,
            complete_from=self._complete_from,
            final=self._alarm.bounded,
        )
        waiting.clear()
        left = [Parcel.of(batch) for batch in advanced.waiting]
        for parcel in left:
            waiting.add(parcel)
        if not self._alarm.bounded:
            state.write(advanced.state)
            closed.write(upto)
            self._set_next(left, advanced.wake, wake, timer)
        self._count(advanced)
        yield from _elements(shard, advanced)

    def _set_next(self, left: Iterable[Parcel], next_tick: int | None, wake: Any, timer: Any) -> None:
        ticks = [end_tick(self._plan, parcel.earliest) for parcel in left]
        ticks += [] if next_tick is None else [next_tick]
        if ticks:
            self._alarm.at(min(ticks), wake, timer)

    def _count(self, advanced: Advanced) -> None:
        """Count what became of signals; what waits is pending only where nothing follows."""
        for name, counter in self.COUNTS.items():
            if name != "pending" or self._alarm.bounded:
                counter.inc(advanced.counts["rejected" if name == "too_late" else name])


def _elements(shard: int, advanced: Advanced) -> Iterator[Any]:
    made = advanced.outputs
    if made.triggers.num_rows:
        yield shard, Parcel.of(made.triggers, "tick")
    records = [("rejected", reject_too_late(name, rows)) for name, rows in sorted(made.too_late.items())]
    for name, table in (("transitions", made.transitions), ("contexts", made.contexts)):
        records += [(name, batch) for batch in table.combine_chunks().to_batches()]
    yield from (beam.pvalue.TaggedOutput(name, batch) for name, batch in records if batch.num_rows)


@dataclass(eq=False, kw_only=True)
class TrackContexts(beam.PTransform):
    """Advance the contexts of one level's subjects, a shard at a time.

    In: (shard, parcel of signals), in the global window; an element's timestamp is its smallest event time. A bounded
    run also brings each shard one `end_batch`.

    Out: `triggers` (shard, parcel of triggers), and under `transitions`, `contexts` and `rejected` record batches as in
    `schemas.records`. Signals later than the allowed lateness are rejected; late ones correct their windows and
    trigger nothing unless the playbook says so. Any error of our own fails the bundle.

    Attributes:
        playbook: What to track.
        bounded: Whether the input ends.
        complete_from: Since when a run without state has all signals (milliseconds), None for ever.
        backlog: History that an unbounded run catches up with.
    """

    playbook: Playbook
    bounded: bool
    complete_from: int | None = None
    backlog: Backlog | None = None

    def expand(self, signals: beam.PCollection[ShardParcel]) -> Any:
        """Return the four outputs by name."""
        track = _Track(self.playbook, Alarm("track_subscribers", self.bounded, self.backlog), self.complete_from)
        advance_ = beam.ParDo(track).with_output_types(ShardParcel, **dict.fromkeys(OUTPUTS, pa.RecordBatch))
        made = signals | "Advance" >> advance_.with_outputs(*OUTPUTS, main="triggers")
        return {name: made[name] for name in ("triggers", *OUTPUTS)}
