"""Describe the segments of every level: their statistics by the hour and the day; a profile and alerts each day."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.trigger import AccumulationMode, AfterCount, AfterWatermark
from apache_beam.transforms.window import (
    FixedWindows,
    GlobalWindows,
    IntervalWindow,
    SlidingWindows,
    TimestampCombiner,
    TimestampedValue,
)
from apache_beam.utils.timestamp import Duration, Timestamp

from schemas.playbook import Playbook
from schemas.records import INSTANT
from schemas.versions import Versions
from transforms.statistics.alerts import alerts, posters
from transforms.statistics.feature_words import words_of
from transforms.statistics.segment_profiles import profiles_of
from transforms.statistics.segment_statistics import WINDOWS, merged, stats_of
from transforms.sum_receipts import EVER

LevelParts = tuple[str, pa.RecordBatch]

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


def _over(playbook: Playbook, since: int | None) -> pa.Scalar | None:
    """Return the end of the last window that was told for the last time as of a tick."""
    if since is None:
        return None
    return pa.scalar(since - playbook.tick - playbook.allowed_lateness).cast(INSTANT)


def _by_level(batch: pa.RecordBatch) -> LevelParts:
    return batch.schema.metadata[b"subject_kind"].decode(), batch


def _dated(element: LevelParts, stamp: Timestamp = beam.DoFn.TimestampParam) -> TimestampedValue:
    return TimestampedValue(element, max(stamp, Timestamp(0)))  # what a run starts from has none


def _of_all_shards(element: tuple[str, Iterable[pa.RecordBatch]]) -> Iterator[LevelParts]:
    level, parts = element[0], [*element[1]]
    if parts:  # Flink tells a window twice at the end of time, the second time empty
        yield from ((level, batch) for batch in pa.Table.from_batches(parts).combine_chunks().to_batches())


def _by_window(element: LevelParts, width: int, last: int | None) -> Iterator[TimestampedValue]:
    level, batch = element
    for end, parts in split(batch, width):
        if last is None or end <= last:
            yield TimestampedValue((level, parts), Timestamp(micros=1000 * end))


class _Describe(beam.DoFn):
    """Describes the windows in a group of parts: all of a bounded run, else the later of two."""

    def __init__(self, versions: Versions, describe: "DescribeSegments") -> None:
        self._versions, self._bounded = versions, describe.bounded
        self._after = _over(versions.first, describe.since)

    def process(
        self, element: tuple[str, Iterable[pa.RecordBatch]], window: Any = beam.DoFn.WindowParam
    ) -> Iterator[Any]:
        level, parts = element
        for name, table in described(self._versions, level, parts).items():
            rows = table if self._bounded else table.filter(pc.field("end") == self._end(window))
            rows = rows if self._after is None else rows.filter(pc.field("end") > self._after)
            yield from (TaggedOutput(name, batch) for batch in rows.combine_chunks().to_batches() if batch.num_rows)

    def _end(self, window: IntervalWindow) -> pa.Scalar:
        """Return the end of the later window: Beam's close a tick after it."""
        return pa.scalar(window.end.micros // 1000 - self._versions.first.tick).cast(INSTANT)


@dataclass(eq=False, kw_only=True)
class DescribeSegments(beam.PTransform):
    """Merge what the shards tell of segments, window by window.

    In: `segment_stats` of `TrackContexts`: batches as `emit.segment_parts.PARTS`, their level in the metadata, in the
    global window.
    Out: `segment_stats`, `segment_profiles` and `alerts`: batches as in `schemas.records`, in the global window.

    A stream has Beam's windows of event time on the UTC epoch, of two hours or two days, so that each hour and day is
    told against the one before; they close one tick after it ends, when the stage before has made all of it. Parts that
    come later, as from a backlog or from a timer that was set in the past, make their window be told again, up to
    `allowed_lateness` after it: of rows with equal keys the last holds. Prism tells each window once more, as it was,
    when it forgets it. A shard wakes at the end of each window for `emit.segment_parts.PATIENCE` after its last row, so
    only one that was silent for longer tells of windows beyond that; Beam leaves these parts out and counts them as
    dropped. In a bounded run all windows come in one pane, as columns.

    Attributes:
        playbook: Whose segments.
        later: The versions of it that take over, in their order.
        bounded: Whether the input ends.
        since: The tick of the cut that the run starts from, milliseconds: windows that were told for the last time
            before it are not told again, those that may change are.
        last: The last tick of a stream that has one, milliseconds: a window that ends later is never whole.
    """

    playbook: Playbook
    later: tuple[Playbook, ...] = ()
    bounded: bool
    since: int | None = None
    last: int | None = None

    def expand(self, parts: beam.PCollection[pa.RecordBatch]) -> Any:
        """Return the outputs by name."""
        by_level = parts | "ByLevel" >> beam.Map(_by_level).with_output_types(LevelParts)
        windows = {"all": by_level}
        if not self.bounded:
            told = self._of_a_tick(by_level)
            windows = {name: self._windows(told, name, width) for width, name in WINDOWS.items()}
        outputs = [self._outputs(feed, name) for name, feed in windows.items()]
        return {name: [each[name] for each in outputs] | f"Flatten {name}" >> beam.Flatten() for name in OUTPUTS}

    def _of_a_tick(self, parts: beam.PCollection[LevelParts]) -> beam.PCollection[LevelParts]:
        """Put what all shards tell at a tick into one: a backlog tells of many windows at once, which are over."""
        ticks = beam.WindowInto(
            FixedWindows(Duration(micros=1000 * self.playbook.tick)),
            trigger=AfterWatermark(late=AfterCount(1)),
            accumulation_mode=AccumulationMode.DISCARDING,
            timestamp_combiner=TimestampCombiner.OUTPUT_AT_EARLIEST,
            allowed_lateness=Duration(micros=1000 * EVER),
        )
        dated = parts | "Date" >> beam.Map(_dated).with_output_types(LevelParts) | "Tick" >> ticks
        together = beam.FlatMap(_of_all_shards).with_output_types(LevelParts)
        return (
            dated | "OfATick" >> beam.GroupByKey() | "Together" >> together | "Told" >> beam.WindowInto(GlobalWindows())
        )

    def _windows(self, parts: beam.PCollection[LevelParts], name: str, width: int) -> beam.PCollection[LevelParts]:
        """Put the parts of each window of a width into Beam's."""
        tick = Timestamp(micros=1000 * self.playbook.tick)
        windows = beam.WindowInto(
            SlidingWindows(Duration(micros=2000 * width), Duration(micros=1000 * width), tick),
            trigger=AfterWatermark(late=AfterCount(1)),
            accumulation_mode=AccumulationMode.ACCUMULATING,
            allowed_lateness=Duration(micros=1000 * self.playbook.allowed_lateness),
        )
        by_window = beam.FlatMap(_by_window, width, self.last).with_output_types(LevelParts)
        return parts | f"Split {name}" >> by_window | f"Window {name}" >> windows

    def _outputs(self, parts: beam.PCollection[LevelParts], name: str) -> dict[str, Any]:
        """Describe each group of parts."""
        describe = beam.ParDo(_Describe(Versions((self.playbook, *self.later)), self))
        describe = describe.with_output_types(pa.RecordBatch, **dict.fromkeys(OUTPUTS, pa.RecordBatch))
        describe = describe.with_outputs(*OUTPUTS)
        made = parts | f"Gather {name}" >> beam.GroupByKey() | f"Describe {name}" >> describe
        return {one: made[one] | f"Unwindow {name} {one}" >> beam.WindowInto(GlobalWindows()) for one in OUTPUTS}
