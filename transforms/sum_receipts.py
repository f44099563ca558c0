"""Receipts of erasures: what each stage removed, added up over its shards."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.trigger import AccumulationMode, AfterCount, AfterWatermark
from apache_beam.transforms.window import FixedWindows, GlobalWindows
from apache_beam.utils.timestamp import Duration, Timestamp

from schemas.durations import DAY
from schemas.playbook import Playbook
from schemas.versions import Versions
from transforms.context.erasure.receipts import receipts

Removed = tuple[str, pa.RecordBatch]
"""The name of a stage, and what one of its shards removed, as `schemas.records.REMOVED`."""

EVER = 36_525 * DAY
"""How late a receipt may be and still be given, milliseconds: it proves an erasure, so none is too late."""


class _Sum(beam.DoFn):
    """Adds up what the shards of one stage removed."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    def process(self, element: tuple[str, Iterable[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
        yield from receipts(self._versions, *element).combine_chunks().to_batches()


@dataclass(eq=False, kw_only=True)
class SumReceipts(beam.PTransform):
    """Make one receipt a stage of each erasure.

    In: (name of the stage, batch as `schemas.records.REMOVED`), in the global window. Out: batches as
    `schemas.records.RECEIPT`, in the global window. A stream adds up what shards tell within a tick of event time. A
    shard that sleeps acts at the erasure's own tick, however long ago that was: what it tells is then behind the
    watermark, and is a receipt of its own as it comes. So where erasures came late there may be several receipts, which
    add up; none is too late.

    Attributes:
        playbook: Whose stages they are.
        later: The versions of it that take over, in their order.
        bounded: Whether the input ends; then there is one sum over all.
        lag: How long after a tick a stream acts at it, milliseconds.
    """

    playbook: Playbook
    later: tuple[Playbook, ...] = ()
    bounded: bool
    lag: int = 0

    def expand(self, removed: beam.PCollection[Removed]) -> beam.PCollection[pa.RecordBatch]:
        """Gather what the shards removed, by stage."""
        if not self.bounded:
            removed = removed | "Window" >> self._ticks()
        add_up = beam.ParDo(_Sum(Versions((self.playbook, *self.later)))).with_output_types(pa.RecordBatch)
        summed = removed | "Gather" >> beam.GroupByKey() | "Sum" >> add_up
        return summed | "Unwindow" >> beam.WindowInto(GlobalWindows())

    def _ticks(self) -> beam.PTransform:
        """Return what puts each tick into a window that tells at its end, and then of all that is late at once."""
        return beam.WindowInto(
            FixedWindows(Duration(micros=1000 * self.playbook.tick), Timestamp(micros=1000 * self.lag)),
            trigger=AfterWatermark(late=AfterCount(1)),
            accumulation_mode=AccumulationMode.DISCARDING,
            allowed_lateness=Duration(micros=1000 * EVER),
        )
