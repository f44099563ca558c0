"""Receipts of erasures: what each stage removed, added up over its shards."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import apache_beam as beam
import polars as pl
import pyarrow as pa
from apache_beam.transforms.window import FixedWindows, GlobalWindows, TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS
from schemas.records import RECEIPT
from schemas.versions import Versions
from transforms.context.plan.features import MEMBERSHIP, SUBSCRIBER

Removed = tuple[str, pa.RecordBatch]
"""The name of a stage, and what one of its shards removed, as `schemas.records.REMOVED`."""

_TRACKED = {"track_subscribers": (SUBSCRIBER,), "track_groups": GROUPS}
"""Whose contexts a stage tracks."""

_KEY = ["source", "id", "subject_kind", "subject"]


def written(versions: Versions, stage: str, kind: str, tick: int) -> list[str]:
    """Return the outputs in which a stage may have named a subject before a tick: what it wrote, it writes for good.

    No stage remembers what it wrote about whom, or it would know for ever who was there.

    Args:
        versions: Whose stages they are; only those that took over before the tick have written.
        stage: Its name.
        kind: Of the subject.
        tick: Of the erasure.
    """
    books = versions.playbooks[: versions.at(tick - versions.first.tick) + 1]
    if stage not in _TRACKED:
        return ["decisions", "offers"] if any(book.offers for book in books) else []
    if kind not in _TRACKED[stage]:  # a membership that came too late names its group
        joins = SUBSCRIBER in _TRACKED[stage] and any(MEMBERSHIP in book.signals for book in books)
        return ["rejected"] if joins else []
    levels = [book.levels[kind] for book in books if kind in book.levels]
    changes = any(level.segments or level.moments for level in levels)
    return ["contexts", "rejected", *(["transitions"] if changes else [])] if levels else []


def receipts(versions: Versions, stage: str, removed: Iterable[pa.RecordBatch]) -> pa.Table:
    """Return one receipt for each erasure, as `schemas.records.RECEIPT`.

    Args:
        versions: Whose stages they are.
        stage: Its name.
        removed: What its shards removed.
    """
    rows = cast(pl.DataFrame, pl.from_arrow(pa.Table.from_batches(removed)))
    tables = rows.group_by(*_KEY, "table").agg(pl.col("tick").max(), pl.col("rows").sum()).sort(*_KEY, "table")
    found = pl.struct("table", "rows").filter(pl.col("rows") > 0)
    made = tables.group_by(_KEY, maintain_order=True).agg(pl.col("tick").max(), removed=found)
    names = [written(versions, stage, *row) for row in made.select("subject_kind", "tick").iter_rows()]
    outputs = pl.Series(names, dtype=pl.List(pl.String))
    told = made.with_columns(pl.from_epoch("tick", "ms"), stage=pl.lit(stage), outputs=outputs)
    return told.select(RECEIPT.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(RECEIPT)


def _at_tick(element: Removed) -> TimestampedValue:
    return TimestampedValue(element, Timestamp(micros=1000 * element[1]["tick"][0].as_py()))


class _Sum(beam.DoFn):
    """Adds up what the shards of one stage removed."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    def process(self, element: tuple[str, Iterable[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
        yield from receipts(self._versions, *element).combine_chunks().to_batches()


@dataclass(eq=False, kw_only=True)
class SumReceipts(beam.PTransform):
    """Make one receipt a stage of each erasure.

    In: (name of the stage, batch as `schemas.records.REMOVED`), a batch of one tick, in the global window. Out:
    batches as `schemas.records.RECEIPT`, in the global window. A stream sums what is of one tick; where erasures
    came late, shards may act at different ticks, and there are several receipts, which add up.

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
            windows: Any = FixedWindows(Duration(micros=1000))  # times are ticks: one each
            at_tick = beam.Map(_at_tick).with_output_types(Removed)
            removed = removed | "AtTick" >> at_tick | "Window" >> beam.WindowInto(windows)
        add_up = beam.ParDo(_Sum(Versions((self.playbook, *self.later)))).with_output_types(pa.RecordBatch)
        summed = removed | "Gather" >> beam.GroupByKey() | "Sum" >> add_up
        return summed | "Unwindow" >> beam.WindowInto(GlobalWindows())
