"""Receipts of erasures, from what the shards of a stage removed."""

from collections.abc import Iterable
from typing import cast

import polars as pl
import pyarrow as pa

from schemas.playbook_levels import GROUPS
from schemas.records import RECEIPT, REMOVED
from schemas.versions import Versions
from transforms.compiler.features import MEMBERSHIP, SUBSCRIBER

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
    rows = cast(pl.DataFrame, pl.from_arrow(pa.Table.from_batches(removed, REMOVED)))
    tables = rows.group_by(*_KEY, "table").agg(pl.col("tick").max(), pl.col("rows").sum()).sort(*_KEY, "table")
    found = pl.struct("table", "rows").filter(pl.col("rows") > 0)
    made = tables.group_by(_KEY, maintain_order=True).agg(pl.col("tick").max(), removed=found)
    names = [written(versions, stage, *row) for row in made.select("subject_kind", "tick").iter_rows()]
    outputs = pl.Series(names, dtype=pl.List(pl.String))
    records = made.with_columns(pl.from_epoch("tick", "ms"), stage=pl.lit(stage), outputs=outputs)
    return records.select(RECEIPT.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(RECEIPT)
