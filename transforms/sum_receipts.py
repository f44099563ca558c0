"""Receipts of erasures: what each stage removed, added up over its shards."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import apache_beam as beam
import polars as pl
import pyarrow as pa
from apache_beam.transforms.window import FixedWindows, GlobalWindows, TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from schemas.records import RECEIPT

Removed = tuple[str, pa.RecordBatch]
"""The name of a stage, and what one of its shards removed, as `schemas.records.REMOVED`."""

OUTPUTS = {
    "track_subscribers": ("contexts", "transitions", "rejected"),
    "track_groups": ("contexts", "transitions", "rejected"),
    "decide_offers": ("decisions", "offers"),
}
"""The outputs of each stage that are about subjects: no stage takes back what it has written."""

_KEY = ["source", "id", "subject_kind", "subject"]


def receipts(stage: str, removed: Iterable[pa.RecordBatch]) -> pa.Table:
    """Return one receipt for each erasure, as `schemas.records.RECEIPT`.

    Args:
        stage: Its name.
        removed: What its shards removed.
    """
    rows = cast(pl.DataFrame, pl.from_arrow(pa.Table.from_batches(removed)))
    tables = rows.group_by(*_KEY, "table").agg(pl.col("tick").max(), pl.col("rows").sum()).sort(*_KEY, "table")
    found = pl.struct("table", "rows").filter(pl.col("rows") > 0)
    made = tables.group_by(_KEY, maintain_order=True).agg(pl.col("tick").max(), removed=found)
    outputs = pl.lit(pl.Series([list(OUTPUTS[stage])]))
    told = made.with_columns(pl.from_epoch("tick", "ms"), stage=pl.lit(stage), outputs=outputs.first())
    return told.select(RECEIPT.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(RECEIPT)


def _at_tick(element: Removed) -> TimestampedValue:
    return TimestampedValue(element, Timestamp(micros=1000 * element[1]["tick"][0].as_py()))


class _Sum(beam.DoFn):
    """Adds up what the shards of one stage removed."""

    def process(self, element: tuple[str, Iterable[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
        yield from receipts(*element).combine_chunks().to_batches()


@dataclass(eq=False, kw_only=True)
class SumReceipts(beam.PTransform):
    """Make one receipt a stage of each erasure.

    In: (name of the stage, batch as `schemas.records.REMOVED`), a batch of one tick, in the global window. Out:
    batches as `schemas.records.RECEIPT`, in the global window. A stream sums what is of one tick; where erasures
    came late, shards may act at different ticks, and there are several receipts, which add up.

    Attributes:
        bounded: Whether the input ends; then there is one sum over all.
    """

    bounded: bool

    def expand(self, removed: beam.PCollection[Removed]) -> beam.PCollection[pa.RecordBatch]:
        """Gather what the shards removed, by stage."""
        if not self.bounded:
            windows: Any = FixedWindows(Duration(micros=1000))  # times are ticks: one each
            at_tick = beam.Map(_at_tick).with_output_types(Removed)
            removed = removed | "AtTick" >> at_tick | "Window" >> beam.WindowInto(windows)
        summed = removed | "Gather" >> beam.GroupByKey() | "Sum" >> beam.ParDo(_Sum()).with_output_types(pa.RecordBatch)
        return summed | "Unwindow" >> beam.WindowInto(GlobalWindows())
