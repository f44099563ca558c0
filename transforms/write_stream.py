"""The outputs of a stream as files, one for each output and window of event time."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from apache_beam.transforms.trigger import AccumulationMode, AfterCount, AfterWatermark
from apache_beam.transforms.window import FixedWindows, GlobalWindows, IntervalWindow, TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from schemas.durations import DAY, HOUR, MINUTE
from transforms.arrays.table_files import sorted_table
from transforms.publish_records import PUBLISHED, Published
from transforms.shell.tallied import TalliedCounter
from transforms.sinks.messages import latest
from transforms.streams.cuts import SETTLED
from transforms.write_outputs import NamedBatch, Output, of_output

EVER = 36_525 * DAY
"""How late rows may be and still be written, milliseconds: none is too late."""


def file_name(name: str, start: int, size: int, pane: int, suffix: str) -> str:
    """Return the name of the file of a window, as `offers-20260302T10Z-0.parquet`.

    Args:
        name: Of the output.
        start: Of the window, milliseconds; it has the ticks after that.
        size: Of the window, milliseconds: what is not of whole hours tells minutes, or seconds.
        pane: 0, or one more for each time that something came late.
        suffix: Of the format.
    """
    detail = "%H" if size % HOUR == 0 else "%H%M" if size % MINUTE == 0 else "%H%M%S"
    return f"{name}-{datetime.fromtimestamp(start / 1000, UTC):%Y%m%dT{detail}Z}-{pane}.{suffix}"


def dated(element: NamedBatch, stamp: Timestamp = beam.DoFn.TimestampParam) -> TimestampedValue:
    """Return an element at its time; what has none, as it comes from files that end, is of 1970."""
    return TimestampedValue(element, max(stamp, Timestamp(0)))


class _Write(beam.DoFn):
    """Writes what came of one output in one window."""

    def __init__(self, writing: "WriteStream") -> None:
        self._directory, self._outputs = writing.directory, writing.outputs
        self._size, self._lag = writing.window, writing.lag

    def process(
        self,
        element: tuple[str, Iterable[pa.RecordBatch]],
        window: IntervalWindow = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[Published]:
        name, batches = element[0], [*element[1]]
        if not batches:
            return  # Flink tells a window twice at the end of time, the second time empty and under the same number
        output = self._outputs[name]
        table = sorted_table(batches, output.schema, output.sort_by)
        start = window.start.micros // 1000 - SETTLED - self._lag
        for suffix, write in output.formats.items():
            file = file_name(name, start, self._size, max(pane.index, 0), suffix)
            hidden = FileSystems.join(self._directory, name, f".{file}.{uuid4().hex}")
            with FileSystems.create(hidden) as sink:
                write(table, sink)
            FileSystems.rename([hidden], [FileSystems.join(self._directory, name, file)])
        TalliedCounter(PUBLISHED, name).inc(table.num_rows)
        yield name, table.num_rows, latest(table)


@dataclass(eq=False, kw_only=True)
class WriteStream(beam.PTransform):
    """Write `directory/output/output-START-PANE.format` for each window, output and format; any file system of Beam's.

    In: by the name of an output, record batches with at least the columns of its schema, in the global window. Their
    timestamps are those of the ticks at which they were made, up to `SETTLED` later; what has none is of 1970. Out:
    `Published`, one a window of an output, in the global window, given when its files are there. Counts
    `published/OUTPUT`.

    A window has the ticks in (start, start + window], and is written when all is there that is not late: sorted, as a
    bounded run sorts. What comes late is a file of its own with the next pane's number; none is too late. A window of
    an output without rows has no file. A file is there as a whole or not at all: it is written under a hidden name, and
    renamed. A bundle that is tried again writes the same name with the same content. What a killed process leaves are
    hidden files, which may be deleted.

    Rows are in the runner's state until their window is written. A run that is resumed from cuts, and not by its
    engine, has windows that end at cuts: what a cut covers is then in files before the cut counts, if that waits for
    the watermark to pass `SETTLED` after its tick.

    Attributes:
        directory: Where to write; any file system that Beam knows.
        outputs: What to write, by name.
        window: The length of a window, milliseconds.
        lag: How long after a tick what is made at it is told, milliseconds.
    """

    directory: str
    outputs: Mapping[str, Output]
    window: int = HOUR
    lag: int = 0

    def __post_init__(self) -> None:
        """Check the length.

        Raises:
            ValueError: it is none.
        """
        super().__init__()
        if self.window <= SETTLED:
            raise ValueError(f"windows of files last more than {SETTLED} ms, not {self.window}")

    def expand(self, records: Any) -> beam.PCollection[Published]:
        """Gather the batches of each output and window at one writer."""
        batches = [records[name] | f"Name {name}" >> of_output(name) for name in self.outputs]
        write = beam.ParDo(_Write(self)).with_output_types(Published)
        return (
            batches
            | "All" >> beam.Flatten()
            | "Date" >> beam.Map(dated).with_output_types(NamedBatch)
            | "Window" >> self._windows()
            | "Gather" >> beam.GroupByKey()
            | "Write" >> write
            | "Unwindow" >> beam.WindowInto(GlobalWindows())
        )

    def _windows(self) -> beam.PTransform:
        """Return what puts rows into windows that tell at their end, and then of all that is late at once."""
        return beam.WindowInto(
            FixedWindows(Duration(micros=1000 * self.window), Timestamp(micros=1000 * (SETTLED + self.lag))),
            trigger=AfterWatermark(late=AfterCount(1)),
            accumulation_mode=AccumulationMode.DISCARDING,
            allowed_lateness=Duration(micros=1000 * EVER),
        )
