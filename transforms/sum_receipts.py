"""Receipts of erasures: what each stage removed, added up over its shards."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import FixedWindows, GlobalWindows
from apache_beam.utils.timestamp import Duration

from schemas.playbook import Playbook
from schemas.versions import Versions
from transforms.receipts import receipts

Removed = tuple[str, pa.RecordBatch]
"""The name of a stage, and what one of its shards removed, as `schemas.records.REMOVED`."""


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
    `schemas.records.RECEIPT`, in the global window. A stream adds up what shards tell within a tick of event time: a
    stage wakes a little later than its tick, so nothing is late. Where erasures came late, shards may act at different
    ticks, and there are several receipts, which add up.

    Attributes:
        playbook: Whose stages they are.
        later: The versions of it that take over, in their order.
        bounded: Whether the input ends; then there is one sum over all.
    """

    playbook: Playbook
    later: tuple[Playbook, ...] = ()
    bounded: bool

    def expand(self, removed: beam.PCollection[Removed]) -> beam.PCollection[pa.RecordBatch]:
        """Gather what the shards removed, by stage."""
        if not self.bounded:
            ticks = FixedWindows(Duration(micros=1000 * self.playbook.tick))
            removed = removed | "Window" >> beam.WindowInto(ticks)
        add_up = beam.ParDo(_Sum(Versions((self.playbook, *self.later)))).with_output_types(pa.RecordBatch)
        summed = removed | "Gather" >> beam.GroupByKey() | "Sum" >> add_up
        return summed | "Unwindow" >> beam.WindowInto(GlobalWindows())
