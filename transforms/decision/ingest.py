"""Ingest: which batches are due, and the triggers among them in the order of their records."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from schemas.records import FACT
from transforms.arrays.arrow_columns import replaced
from transforms.arrays.plain_arrow import framed
from transforms.compiler.offer_definitions import OfferPlan
from transforms.context.grid import CLOSED_AT
from transforms.decision.deferral import entry_schema, traced
from transforms.decision.ids import decision_ids

_OLDEST = pl.CompatLevel.oldest()


def is_fact(batch: pa.RecordBatch) -> bool:
    """Tell facts from triggers."""
    fact: bool = batch.schema.metadata[b"signal"] == FACT.metadata[b"signal"]
    return fact


def part(
    plan: OfferPlan, batches: Sequence[pa.RecordBatch], closed: int | None, upto: int
) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
    """Part the rows that act at ticks up to `upto`, with the tick of each as `since`, from those that wait.

    A row acts at its tick, or at the first that was open when it came.

    Args:
        plan: The tick.
        batches: Columns tick and others; the metadata of late ones may have the tick that was closed when they came.
        closed: The last tick, None before the first.
        upto: A tick.
    """
    due, waiting = [], []
    for batch in batches:
        since = batch["tick"].to_numpy()
        came_at = (batch.schema.metadata or {}).get(CLOSED_AT)
        before = [tick for tick in (closed, None if came_at is None else int(came_at)) if tick is not None]
        if before:
            since = np.maximum(since, max(before) + plan.tick)
        waits = since > upto
        if waits.any():
            waiting.append(batch.filter(waits))
        if not waits.all():
            acting = batch.append_column("since", pa.array(since))
            due.append(acting.filter(~waits) if waits.any() else acting)
    return due, waiting


def part_past(
    plan: OfferPlan, triggers: Sequence[pa.RecordBatch], deferred: pa.Table
) -> tuple[list[pa.RecordBatch], pa.Table, int]:
    """Return the triggers that are answered, those that waited for an answer, and how many are of the past.

    These, whose own tick is before `plan.decide_from`, are never answered: they reserve nothing and leave no record.

    Args:
        plan: The offers.
        triggers: As `plan.triggers`, whatever the tick at which they come.
        deferred: As `entry_schema`.
    """
    if plan.decide_from is None:
        return list(triggers), deferred, 0
    asked = [batch.filter(pc.field("tick") >= plan.decide_from) for batch in triggers]
    waits = deferred.filter(pc.field("own_tick") >= plan.decide_from)
    before = sum(batch.num_rows for batch in triggers) + len(deferred)
    return asked, waits, before - sum(batch.num_rows for batch in asked) - len(waits)


def in_order(plan: OfferPlan, batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Return triggers by tick, subject and decision id, as `entry_schema`.

    Those that come too late are moved to the tick at which they act and marked; their ids are of their own tick.

    Args:
        plan: The offers.
        batches: As `plan.triggers`, and `since`.
    """
    due = pa.concat_tables(map(_with_kind, batches))
    named = ["subject_kind", "subject", "trigger", "tick", "late", "since"]
    frame = framed(due.select(named)).with_columns(own_tick="tick", n=pl.lit(0, pl.Int64))
    frame = frame.with_columns(decision_ids(plan.playbook, frame))
    frame = frame.with_columns(late=pl.col("late") | (pl.col("tick") < pl.col("since")), tick="since")
    frame = frame.with_row_index("row").sort("tick", "subject_kind", "subject", "decision_id")
    ordered = due.take(frame["row"].to_arrow())
    for name in ("tick", "late"):
        ordered = replaced(ordered, name, frame[name].to_arrow())
    for name in ("own_tick", "n"):
        ordered = ordered.append_column(name, frame[name].to_arrow())
    ordered = ordered.append_column("decision_id", frame["decision_id"].to_arrow(compat_level=_OLDEST))
    schema = entry_schema(plan)
    for name in ("until", "deadline", "inbound", "shown"):
        ordered = ordered.append_column(name, pa.nulls(len(ordered), schema.field(name).type))
    return ordered.select(schema.names).cast(schema)


def _with_kind(batch: pa.RecordBatch) -> pa.Table:
    kind = batch.schema.metadata[b"subject_kind"].decode()
    table = traced(pa.table(batch).replace_schema_metadata())
    table = table.select([*(name for name in table.column_names if name != "since"), "since"])
    return table.append_column("subject_kind", pa.repeat(kind, len(table)))
