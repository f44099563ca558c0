"""Describe the segments of every level: their statistics by the hour and the day; a profile and alerts each day."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.coders import BytesCoder
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from schemas.playbook import Playbook
from schemas.records import INSTANT
from schemas.versions import Versions
from transforms.keep_parts import needed
from transforms.shell.arrow_coder import from_ipc, to_ipc
from transforms.shell.tallied import TalliedCounter
from transforms.statistics.alerts import alerts, posters
from transforms.statistics.feature_words import words_of
from transforms.statistics.open_windows import OpenWindows
from transforms.statistics.segment_profiles import profiles_of
from transforms.statistics.segment_statistics import merged, stats_of

LevelParts = tuple[str, pa.RecordBatch]

KeyedParts = tuple[str, pa.RecordBatch]
"""A width, milliseconds, and a level; parts of both."""

BEFORE = 1
"""Milliseconds before the end of a tick at which windows are told: what is told belongs to that tick's files."""

OUTPUTS = ("segment_stats", "segment_profiles", "alerts")


def described(versions: Versions, level: str, parts: Iterable[pa.RecordBatch]) -> dict[str, pa.Table]:
    """Return the rows of all outputs, for all windows that the parts are of; in the words of the last version."""
    sums, segments, words = merged(parts), dict[str, str](), dict[str, str]()
    for book in (playbook.levels[level] for playbook in versions.playbooks if level in playbook.levels):
        segments |= {name: segment.describe for name, segment in book.segments.items()}
        words |= words_of(book)
    stats = stats_of(sums, level, segments)
    raised = alerts(stats, [*posters(versions, level)])
    return {"segment_stats": stats, "segment_profiles": profiles_of(sums, level, words), "alerts": raised}


def split(batch: pa.RecordBatch, width: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the end of each window of one width, and its parts."""
    mine = batch.filter(pc.field("width") == width)
    for end in sorted(mine["end"].unique().to_pylist()):
        yield end, mine.filter(pc.field("end") == end)


def _over(describe: "DescribeSegments") -> pa.Scalar | None:
    """Return the end of the last window that was told for the last time before the run."""
    told = describe.told
    if told is None and describe.since is not None:
        told = describe.since - describe.playbook.tick - describe.playbook.allowed_lateness
    return None if told is None else pa.scalar(told).cast(INSTANT)


def _by_level(batch: pa.RecordBatch) -> LevelParts:
    return batch.schema.metadata[b"subject_kind"].decode(), batch


def _by_width(batch: pa.RecordBatch) -> Iterator[KeyedParts]:
    level, _ = _by_level(batch)
    for width in sorted(batch["width"].unique().to_pylist()):
        yield f"{width} {level}", batch.filter(pc.field("width") == width)


class _Tell(beam.DoFn):
    """Holds the parts of a width and level, and describes each window of them when it is due."""

    PARTS = BagStateSpec("parts", BytesCoder())
    WINDOWS = ReadModifyWriteStateSpec("windows", BytesCoder())
    TIMER = TimerSpec("describe_windows", TimeDomain.WATERMARK)

    def __init__(self, versions: Versions, describe: "DescribeSegments") -> None:
        self._versions, self._last, self._after = versions, describe.last, _over(describe)
        self._tick, self._lateness, self._lag = versions.first.tick, versions.first.allowed_lateness, describe.lag

    def process(
        self,
        element: KeyedParts,
        stamp: Timestamp = beam.DoFn.TimestampParam,
        parts: Any = beam.DoFn.StateParam(PARTS),
        windows: Any = beam.DoFn.StateParam(WINDOWS),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        key, batch = element
        width, known = int(key.partition(" ")[0]), OpenWindows.read(windows.read())
        told = stamp.micros // 1000 - self._lag
        for end, mine in split(batch, width):
            if self._last is not None and end > self._last:
                continue
            if known.take(end, width, told, self._tick, self._lateness):
                parts.add(to_ipc(mine))
            else:
                TalliedCounter("segments", "parts_too_late").inc(mine.num_rows)
        self._wake(known, windows, timer)

    @on_timer(TIMER)
    def tell(
        self,
        key: str = beam.DoFn.KeyParam,
        fired: Timestamp = beam.DoFn.TimestampParam,
        parts: Any = beam.DoFn.StateParam(PARTS),
        windows: Any = beam.DoFn.StateParam(WINDOWS),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[Any]:
        known = OpenWindows.read(windows.read())
        ends = known.pop(fired.micros // 1000 - self._lag + BEFORE)
        if not ends:
            return
        (width, _, level), mine = key.partition(" "), [from_ipc(each) for each in parts.read()]
        for end in ends:
            pair = [batch.filter(_within(end, int(width))) for batch in mine]
            yield from self._rows(level, [batch for batch in pair if batch.num_rows], end)
        parts.clear()
        for batch in needed(mine, known.over, self._tick, self._lateness):
            parts.add(to_ipc(batch))
        self._wake(known, windows, timer)

    def _wake(self, known: OpenWindows, windows: Any, timer: Any) -> None:
        windows.write(known.packed())
        if (at := known.next()) is not None:
            timer.set(Timestamp(micros=1000 * (at + self._lag - BEFORE)))

    def _rows(self, level: str, parts: Sequence[pa.RecordBatch], end: int) -> Iterator[Any]:
        ends = pa.scalar(end).cast(INSTANT)
        if not parts or (self._after is not None and ends.as_py() <= self._after.as_py()):
            return
        for name, table in described(self._versions, level, parts).items():
            rows = table.filter(pc.field("end") == ends).combine_chunks()
            yield from (TaggedOutput(name, batch) for batch in rows.to_batches() if batch.num_rows)


def _within(end: int, width: int) -> pc.Expression:
    """Return what selects the parts of a window and of the one before it."""
    return (pc.field("end") == end) | (pc.field("end") == end - width)


class _Describe(beam.DoFn):
    """Describes all windows of a bounded run."""

    def __init__(self, versions: Versions, describe: "DescribeSegments") -> None:
        self._versions, self._after = versions, _over(describe)
        self._upto = None if describe.last is None else pa.scalar(describe.last).cast(INSTANT)

    def process(self, element: tuple[str, Iterable[pa.RecordBatch]]) -> Iterator[Any]:
        level, parts = element
        for name, table in described(self._versions, level, parts).items():
            rows = table if self._upto is None else table.filter(pc.field("end") <= self._upto)
            rows = rows if self._after is None else rows.filter(pc.field("end") > self._after)
            yield from (TaggedOutput(name, batch) for batch in rows.combine_chunks().to_batches() if batch.num_rows)


@dataclass(eq=False, kw_only=True)
class DescribeSegments(beam.PTransform):
    """Merge what the shards tell of segments, window by window.

    In: `segment_stats` of `TrackContexts`: batches as `emit.segment_parts.PARTS`, their level in the metadata, in the
    global window.
    Out: `segment_stats`, `segment_profiles` and `alerts`: batches as in `schemas.records`, in the global window.

    A stream tells each hour and day, on the UTC epoch, against the one before: one tick after it ended, or after the
    last of its parts was told, when all shards have told theirs. Parts that come later, as from a timer that was set in
    the past, make their window be told again, up to `allowed_lateness` after it: of rows with equal keys the last
    holds. What comes after that is left out, and counted as `segments/parts_too_late`. Windows are a stage of ours, not
    Beam's: on Prism groups by window hold the watermark as long as late rows may come, and with it all files and cuts.
    In a bounded run all windows come in one pane, as columns.

    Attributes:
        playbook: Whose segments.
        later: The versions of it that take over, in their order.
        bounded: Whether the input ends.
        since: The tick of the cut that the run starts from, milliseconds: windows that were told for the last time
            before it are not told again, those that may change are.
        told: In place of that of `since`, the end of the last window that was told for good, milliseconds.
        last: The last tick of a stream that has one, or of a slice that another one follows, milliseconds: a window
            that ends later is not whole.
        lag: How long after a tick a stream acts at it, milliseconds.
    """

    playbook: Playbook
    later: tuple[Playbook, ...] = ()
    bounded: bool
    since: int | None = None
    told: int | None = None
    last: int | None = None
    lag: int = 0

    def expand(self, parts: beam.PCollection[pa.RecordBatch]) -> Any:
        """Return the outputs by name."""
        versions = Versions((self.playbook, *self.later))
        if self.bounded:
            by_level = parts | "ByLevel" >> beam.Map(_by_level).with_output_types(LevelParts)
            told = by_level | "Gather all" >> beam.GroupByKey()
            tell = beam.ParDo(_Describe(versions, self))
        else:
            told = parts | "ByWidth" >> beam.FlatMap(_by_width).with_output_types(KeyedParts)
            tell = beam.ParDo(_Tell(versions, self))
        tell = tell.with_output_types(pa.RecordBatch, **dict.fromkeys(OUTPUTS, pa.RecordBatch))
        made = told | "Describe" >> tell.with_outputs(*OUTPUTS)
        return {name: made[name] for name in OUTPUTS}
