"""Triggers: whom to make an offer, each with its address, the context at its tick and what the condition read."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa

from schemas.contracts import TRACE
from transforms.arrays.plain_arrow import plain
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.dotted import struct_of
from transforms.compiler.levels import triggering
from transforms.context.groups.recipients import ADDRESS
from transforms.context.groups.routing import Addressed
from transforms.context.ingest.traces import traces_at
from transforms.context.run import Run


def trigger_schema(plan: ContextPlan) -> pa.Schema:
    """Return the schema of `Outputs.triggers`, whose columns are told there."""
    types: dict[str, Any] = {
        "subject": pl.String,
        "trigger": pl.String,
        "tick": pl.Int64,
        "late": pl.Boolean,
        **ADDRESS,
    }
    types["evidence"] = _struct({**plan.record.evidence, **plan.trigger_columns})
    types |= {"segments": pl.List(pl.String), "context": _struct(plan.record.context), TRACE.name: pl.String}
    return plain(pl.DataFrame(schema=types)).schema.with_metadata(_metadata(plan))


def _metadata(plan: ContextPlan) -> dict[bytes, bytes]:
    return {b"signal": b"trigger", b"subject_kind": plan.level.encode()}


def _struct(columns: Mapping[str, pl.DataType]) -> pl.DataType:
    made = pl.DataFrame(schema=columns).select(one=struct_of({name: pl.col(name) for name in columns}))
    return made.schema["one"]


def triggers_of(
    run: Run, named: pl.DataFrame, context: pl.DataFrame, rows: pl.DataFrame
) -> tuple[pa.RecordBatch, Addressed]:
    """Return the trigger batch: each trigger with its address and the context at its tick.

    Args:
        run: The call.
        named: The transitions that trigger, with the row of their context.
        context: The contexts.
        rows: The same as records.
    """
    plan, at = run.plan, named["row"]
    table = named.select("code", "trigger", "late").hstack(rows[at])
    addressed = run.routing.address(table.select("code", "tick", "subject", "trigger"))
    made = named.select(plan.trigger_columns.keys())
    shown = _evidence(plan, table["trigger"], context[at].hstack(made))
    traces = traces_at(run.ingested.traces, run.span, table)
    table = table.hstack(addressed.columns).with_columns(traces[TRACE.name], evidence=shown)
    ordered = table.select(
        "subject", "trigger", "tick", "late", *ADDRESS, "evidence", "segments", "context", TRACE.name
    )
    arrow = plain(ordered.sort("tick", "subject", "trigger"))
    arrow = arrow.replace_schema_metadata(_metadata(plan)).combine_chunks()
    batch = arrow.to_batches()[0] if len(arrow) else pa.RecordBatch.from_pylist([], schema=arrow.schema)
    return batch, addressed


def _evidence(plan: ContextPlan, trigger: pl.Series, context: pl.DataFrame) -> pl.Series:
    """Return a struct of the columns that conditions read, NULL where the trigger's own did not, and of `trigger`."""
    read: dict[str, list[str]] = {}
    for name, expression in triggering(plan):
        for column in expression.columns:
            read.setdefault(column, []).append(name)
    fields: dict[str, pl.Expr] = {
        name: pl.when(pl.lit(trigger).is_in(read[name])).then(name) if name in read else pl.lit(None, dtype)
        for name, dtype in plan.record.evidence.items()
    }
    fields |= {name: pl.col(name) for name in plan.trigger_columns}
    return context.with_columns(evidence=struct_of(fields))["evidence"]
