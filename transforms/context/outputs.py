"""What a span brought forth, as tables: transitions, triggers, contexts, rejected rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook import GROUPS
from schemas.records import INSTANT, TRANSITION
from transforms.context import contexts, retention
from transforms.context.definitions import ContextPlan
from transforms.context.dotted import struct_of
from transforms.context.evidence import evidence
from transforms.context.expressions import Expression
from transforms.context.features import Features
from transforms.context.intake import Intake
from transforms.context.memory import Memory
from transforms.context.moments import Fired
from transforms.context.segments import Changes, Span
from transforms.context.ticks import Ints
from transforms.context.timeline import Points, keys_of, points_of

HAPPENED = {
    "code": pl.Int64,
    "tick": pl.Int64,
    "kind": pl.String,
    "name": pl.String,
    "event": pl.String,
    "reason": pl.String,
    "trigger": pl.String,
    "late_triggers": pl.Boolean,
}


@dataclass(frozen=True)
class Outputs:
    """The outputs of one call, each sorted by tick and subject.

    Attributes:
        triggers: subject, trigger, tick (int64), late; root_kind, root (the contact root), recipient (a subscriber,
            null: nobody), household, sme (those the recipient is in, or null), moved_until (the recipient changed its
            contact root and is left alone before this tick, or null); evidence (struct: what the condition read),
            segments (list of names), context (struct of features and derived values).
        transitions: See `schemas.records.TRANSITION`.
        contexts: subject_kind, subject, tick, cause (trigger, transition, periodic, end), segments, context.
        too_late: Rows beyond the allowed lateness, per signal.
    """

    triggers: pa.RecordBatch
    transitions: pa.Table
    contexts: pa.Table
    too_late: Mapping[str, pa.Table]


def outputs(
    plan: ContextPlan,
    memory: Memory,
    features: Features,
    intake: Intake,
    span: Span,
    changes: Mapping[str, Changes],
    fired: Mapping[str, Fired],
    written: Points,
    final: bool,
) -> Outputs:
    """Build the outputs; the memory holds what ticks after the span can see."""
    happened = _happened(plan, span, intake, changes, fired)
    causes = {
        "end": keys_of(plan.grid, *_at_end(memory, span, final)),
        "periodic": written.keys(plan.grid),
        "transition": _keys(plan, happened),
        "trigger": _keys(plan, happened.filter(pl.col("trigger").is_not_null())),
    }
    points = points_of(plan.grid, np.concatenate(list(causes.values())))
    context = contexts.context_at(plan, features, changes, points)
    cause = np.full(len(points), "transition", dtype=object)
    keys = points.keys(plan.grid)
    for name, where in causes.items():
        cause[np.searchsorted(keys, np.unique(where))] = name
    rows = contexts.records(plan, context).with_columns(
        subject=memory.subjects["subject"][points.codes],
        tick=pl.Series(points.ticks),
        cause=pl.Series(cause, dtype=pl.String),
    )
    triggers = _triggers(plan, happened, keys, context, rows)
    at = np.searchsorted(keys, _keys(plan, happened))
    told = happened.with_columns(subject=rows["subject"][at], evidence=evidence(plan, happened, context, at))
    return Outputs(triggers, _transitions(plan, told), _contexts(plan, rows), intake.too_late)


def _happened(
    plan: ContextPlan, span: Span, intake: Intake, changes: Mapping[str, Changes], fired: Mapping[str, Fired]
) -> pl.DataFrame:
    """Return all transitions: code, tick, kind, name, event, reason, late, trigger (null where no offer follows)."""
    tables = [pl.DataFrame(schema=HAPPENED)]
    for segment in plan.segments:
        name = f"{plan.level}.{segment.name}"
        trigger = {event: name if event == "entered" else f"{name}.{event}" for event in segment.triggers}
        events = changes[segment.name].events.with_columns(
            kind=pl.lit("segment"),
            name=pl.lit(segment.name),
            trigger=pl.col("event").replace_strict(trigger, default=None, return_dtype=pl.String),
            late_triggers=pl.lit(segment.late_triggers),
        )
        tables.append(events.select(HAPPENED.keys()))
    for moment in plan.moments:
        points = fired[moment.name].points
        events = pl.DataFrame({"code": points.codes, "tick": points.ticks}).with_columns(
            event=pl.lit("fired"),
            reason=pl.lit(None, pl.String),
            kind=pl.lit("moment"),
            name=pl.lit(moment.name),
            trigger=pl.lit(f"{plan.level}.{moment.name}" if moment.triggers else None, pl.String),
            late_triggers=pl.lit(moment.late_triggers),
        )
        tables.append(events.select(HAPPENED.keys()))
    late = pl.col("code").is_in(intake.late) & (pl.col("tick") == span.first)
    both = pl.concat(tables).with_columns(late=late)
    silent = pl.col("late") & ~pl.col("late_triggers")
    return both.with_columns(trigger=pl.when(~silent).then("trigger")).drop("late_triggers")


def _at_end(memory: Memory, span: Span, final: bool) -> tuple[Ints, Ints]:
    """Return code and tick of the subjects whose context is written because the run ends."""
    codes = np.flatnonzero(retention.known(memory)) if final else np.empty(0, np.int64)
    return codes, np.full(len(codes), span.upto)


def _triggers(
    plan: ContextPlan, happened: pl.DataFrame, keys: Ints, context: pl.DataFrame, rows: pl.DataFrame
) -> pa.RecordBatch:
    """Return the trigger batch: each trigger with the context at its tick."""
    named = happened.filter(pl.col("trigger").is_not_null())
    at = np.searchsorted(keys, _keys(plan, named))
    table = named.select("trigger", "late").hstack(rows[at])
    table = table.with_columns(evidence=_evidence(plan, table["trigger"], context[at]))
    address = [
        pl.lit(plan.level).alias("root_kind"),
        *(pl.col("subject").alias(name) for name in ("root", "recipient")),
        *(pl.lit(None, pl.String).alias(kind) for kind in GROUPS),
        pl.lit(None, pl.Int64).alias("moved_until"),
    ]
    ordered = table.select("subject", "trigger", "tick", "late", *address, "evidence", "segments", "context")
    arrow = _arrow(ordered.sort("tick", "subject", "trigger"))
    metadata = {b"signal": b"trigger", b"subject_kind": plan.level.encode()}
    arrow = arrow.replace_schema_metadata(metadata).combine_chunks()
    return arrow.to_batches()[0] if len(arrow) else pa.RecordBatch.from_pylist([], schema=arrow.schema)


def _evidence(plan: ContextPlan, trigger: pl.Series, context: pl.DataFrame) -> pl.Series:
    """Return a struct of the columns that conditions read; NULL where the trigger's own did not."""
    read: dict[str, list[str]] = {}
    for name, expression in _conditions_of(plan):
        for column in expression.columns:
            read.setdefault(column, []).append(name)
    order = [column for column in context.columns if column in read] or context.columns[:1]
    fields = {column: pl.when(pl.lit(trigger).is_in(read.get(column, []))).then(column) for column in order}
    return context.select(evidence=struct_of(fields)).to_series()


def _conditions_of(plan: ContextPlan) -> list[tuple[str, Expression]]:
    """Return the expression behind each trigger."""
    found = [(f"{plan.level}.{moment.name}", moment.when) for moment in plan.moments if moment.triggers]
    for segment in plan.segments:
        name = f"{plan.level}.{segment.name}"
        if "entered" in segment.triggers:
            found.append((name, segment.enter))
        if "exited" in segment.triggers:
            found.append((f"{name}.exited", segment.exit or segment.enter))
    return found


def _transitions(plan: ContextPlan, happened: pl.DataFrame) -> pa.Table:
    table = happened.with_columns(subject_kind=pl.lit(plan.level), tick=_instant("tick"))
    return _arrow(table.select(TRANSITION.names).sort("tick", "subject", "kind", "name", "event")).cast(TRANSITION)


def _contexts(plan: ContextPlan, rows: pl.DataFrame) -> pa.Table:
    table = rows.select(
        pl.lit(plan.level).alias("subject_kind"), "subject", _instant("tick"), "cause", "segments", "context"
    )
    return _arrow(table.sort("tick", "subject"))


def _instant(column: str) -> pl.Expr:
    return pl.from_epoch(column, "ms").dt.replace_time_zone("UTC")


def _arrow(table: pl.DataFrame) -> pa.Table:
    """Return Arrow with plain strings and lists, as contracts and other engines know them."""
    made = table.to_arrow(compat_level=pl.CompatLevel.oldest())
    return made.cast(pa.schema([pa.field(f.name, _plain(f.type)) for f in made.schema]))


def _plain(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(type_):
        return pa.string()
    if pa.types.is_large_list(type_):
        return pa.list_(_plain(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(f.name, _plain(f.type)) for f in type_])
    return INSTANT if pa.types.is_timestamp(type_) else type_


def _keys(plan: ContextPlan, events: pl.DataFrame) -> Ints:
    return keys_of(plan.grid, events["code"].to_numpy(), events["tick"].to_numpy())
