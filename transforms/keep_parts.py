"""Keep the parts of segments whose windows are open: what a cut has of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow as pa
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from schemas.playbook import Playbook
from transforms.context.emit.segment_parts import PARTS
from transforms.shell.arrow_coder import from_ipc, to_ipc
from transforms.shell.cuts import AT_THE_END, Blob, Kept
from transforms.shell.timers import STAGES, Backlog, Cuts
from transforms.statistics.segment_statistics import merged

STAGE = "describe_segments"

ALL = "all"
"""The one key."""

_TIME = Struct("<q")
"""When a part was told, milliseconds, before it in the bag."""

Keyed = tuple[int, pa.RecordBatch]
"""One key, for all; parts of a level, with it in their metadata."""


def needed(parts: Iterable[pa.RecordBatch], after: int | None, tick: int, lateness: int) -> list[pa.RecordBatch]:
    """Add up parts, and leave out those that no window needs which may be told later.

    A window is told when it has ended, with the one before, and again for late parts of either.

    Args:
        parts: Of any levels.
        after: Windows that were told for the last time up to then are over, milliseconds; None: those that were when
            the last window of their width ended.
        tick: That of the playbook.
        lateness: Its allowed lateness.

    Returns:
        One batch a level that has any.
    """
    levels: dict[bytes, list[pa.RecordBatch]] = {}
    for batch in parts:
        levels.setdefault(batch.schema.metadata[b"subject_kind"], []).append(batch)
    left = []
    for level, mine in sorted(levels.items()):
        sums = merged(batch.replace_schema_metadata(None) for batch in mine)
        over = pl.col("end").max().over("width") if after is None else pl.lit(after)
        open_parts = sums.filter(pl.col("end") + pl.col("width") + tick + lateness > over)
        table = open_parts.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(PARTS)
        left += table.replace_schema_metadata({b"subject_kind": level}).combine_chunks().to_batches()
    return left


def _time_of(tick: int) -> Timestamp:
    return Timestamp(micros=1000 * (tick + len(STAGES)))


def _keyed(batch: pa.RecordBatch) -> Keyed:
    return 0, batch


def _kept(batches: Iterable[pa.RecordBatch]) -> Kept:
    return Kept(ALL, None, None, None, [to_ipc(batch) for batch in batches])


class _Keep(beam.DoFn):
    """Holds parts from cut to cut."""

    PARTS = BagStateSpec("parts", BytesCoder())
    CUT = ReadModifyWriteStateSpec("cut", VarIntCoder())
    TIMER = TimerSpec("keep_parts", TimeDomain.WATERMARK)

    def __init__(self, keep: "KeepParts") -> None:
        self._cuts, self._backlog = keep.cuts, keep.backlog
        self._tick, self._lateness = keep.playbook.tick, keep.playbook.allowed_lateness

    def process(
        self,
        element: Keyed,
        stamp: Timestamp = beam.DoFn.TimestampParam,
        parts: Any = beam.DoFn.StateParam(PARTS),
        cut: Any = beam.DoFn.StateParam(CUT),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        time = stamp.micros // 1000
        parts.add(to_ipc(element[1], _TIME.pack(time)))
        self._remember(self._cut_of(time), cut, timer)

    @on_timer(TIMER)
    def give(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        parts: Any = beam.DoFn.StateParam(PARTS),
        cut: Any = beam.DoFn.StateParam(CUT),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[Any]:
        tick = cut.read()
        if tick is None or fired < _time_of(tick):
            return
        every = [(*_TIME.unpack_from(each), each) for each in parts.read()]
        later = [(time, each) for time, each in every if self._cut_of(time) > tick]
        due = (from_ipc(each, _TIME.size) for time, each in every if self._cut_of(time) <= tick)
        left = needed(due, tick, self._tick, self._lateness)
        cut.clear()
        parts.clear()
        for batch in left:
            parts.add(to_ipc(batch, _TIME.pack(0)))
        for time, each in later:
            parts.add(each)
            self._remember(self._cut_of(time), cut, timer)
        yield STAGE, ALL, tick, _kept(left).packed()

    def _cut_of(self, time: int) -> int:
        """Return the first cut that has what was told at a time: stages tell of a tick some milliseconds after it."""
        return self._cuts.at(max(time - len(STAGES) + 1, 0), self._backlog)

    def _remember(self, tick: int, cut: Any, timer: Any) -> None:
        before = cut.read()
        if before is None or tick < before:
            cut.write(tick)
            timer.set(_time_of(tick))


class _KeepEnd(beam.DoFn):
    """Gives what is left of the parts of a bounded run."""

    def __init__(self, keep: "KeepParts") -> None:
        self._tick, self._lateness = keep.playbook.tick, keep.playbook.allowed_lateness

    def process(self, element: tuple[int, Iterable[pa.RecordBatch]]) -> Iterator[Blob]:
        kept = _kept(needed(element[1], None, self._tick, self._lateness))
        yield STAGE, ALL, AT_THE_END, kept.packed()


@dataclass(eq=False, kw_only=True)
class KeepParts(beam.PTransform):
    """Give at each cut the parts of segments that `DescribeSegments` needs after it, beside it.

    In: what that takes, batches as `emit.segment_parts.PARTS`, their level in the metadata, in the global window. Out:
    blobs of the stage `describe_segments`, for `SaveState`; `LoadState` gives them as such batches again.

    Attributes:
        playbook: Whose segments.
        cuts: When there are cuts; the same as of the stages.
        bounded: Whether the input ends; then there is one cut, at its end.
        backlog: History that an unbounded run catches up with; the same as of the stages.
    """

    playbook: Playbook
    cuts: Cuts
    bounded: bool
    backlog: Backlog | None = None

    def expand(self, parts: beam.PCollection[pa.RecordBatch]) -> beam.PCollection[Blob]:
        """Gather all parts, and give those that are left."""
        keyed = parts | "Key" >> beam.Map(_keyed).with_output_types(Keyed)
        if self.bounded:
            gathered = keyed | "Gather" >> beam.GroupByKey()
            return gathered | "KeepEnd" >> beam.ParDo(_KeepEnd(self)).with_output_types(Blob)
        return keyed | "Keep" >> beam.ParDo(_Keep(self)).with_output_types(Blob)
