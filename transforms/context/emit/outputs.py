"""What a span brought forth, as tables: transitions, triggers, contexts, rejected rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.records import TRANSITION
from transforms.arrays.plain_arrow import plain
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.dotted import struct_of
from transforms.compiler.levels import triggering
from transforms.compiler.steps import MADE
from transforms.context.conditions import frames
from transforms.context.conditions.moments import Firings
from transforms.context.conditions.segments import WITHDRAWN, MembershipChanges
from transforms.context.emit.evidence import evidence
from transforms.context.emit.segment_stats import SegmentStats
from transforms.context.features.timeline import EvaluationPoints, keys_of, points_of
from transforms.context.features.windows import Features
from transforms.context.grid import Ints, Span
from transforms.context.groups.recipients import ADDRESS
from transforms.context.groups.routing import GroupRouting
from transforms.context.ingest.ingest import Ingested
from transforms.context.state import retention
from transforms.context.state.plan_migration import DEFINITION_CHANGED, PlanMigration, reason_of
from transforms.context.state.shard_state import ShardState

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
            contact root and is left alone before this tick, or null); evidence (struct: what the condition read, and
            where there are sequences a struct `trigger` of columns of the signals that made it), segments (list of
            names), context (struct of features and derived values).
        transitions: See `schemas.records.TRANSITION`.
        contexts: subject_kind, subject, tick, cause (trigger, transition, periodic, end), segments, context.
        pulse: What the span tells of segments, see `pulse.PARTS`.
        too_late: Rows beyond the allowed lateness, per signal.
    """

    triggers: pa.RecordBatch
    transitions: pa.Table
    contexts: pa.Table
    pulse: pa.Table
    too_late: Mapping[str, pa.Table]


def outputs(
    plan: ContextPlan,
    memory: ShardState,
    features: Features,
    intake: Ingested,
    span: Span,
    changes: Mapping[str, MembershipChanges],
    fired: Mapping[str, Firings],
    written: EvaluationPoints,
    gone: pl.DataFrame,
    change: PlanMigration | None,
    pulse: SegmentStats,
    final: bool,
    company: GroupRouting,
) -> Outputs:
    """Build the outputs; the memory holds what ticks after the span can see."""
    happened = _happened(plan, span, intake, changes, fired, gone, change, company)
    causes = {
        "end": keys_of(plan.grid, *_at_end(memory, span, final)),
        "periodic": written.keys(plan.grid),
        "transition": _keys(plan, happened),
        "trigger": _keys(plan, happened.filter(pl.col("trigger").is_not_null())),
    }
    points = points_of(plan.grid, np.concatenate(list(causes.values())))
    context, portrayed = _contexts_at(plan, features, changes, points, pulse.points)
    cause = np.full(len(points), "transition", dtype=object)
    keys = points.keys(plan.grid)
    for name, where in causes.items():
        cause[np.searchsorted(keys, np.unique(where))] = name
    rows = frames.records(plan, context).with_columns(
        subject=memory.subjects["subject"][points.codes],
        tick=pl.Series(points.ticks),
        cause=pl.Series(cause, dtype=pl.String),
    )
    triggers = _triggers(plan, happened, keys, context, rows, company)
    at = np.searchsorted(keys, _keys(plan, happened))
    seen = context[at].hstack(happened.select(plan.trigger_columns.keys()))
    told = happened.with_columns(subject=rows["subject"][at], evidence=evidence(plan, happened, seen))
    return Outputs(triggers, _transitions(plan, told), _contexts(plan, rows), pulse.parts(portrayed), intake.too_late)


def _happened(
    plan: ContextPlan,
    span: Span,
    intake: Ingested,
    changes: Mapping[str, MembershipChanges],
    fired: Mapping[str, Firings],
    gone: pl.DataFrame,
    change: PlanMigration | None,
    company: GroupRouting,
) -> pl.DataFrame:
    """Return all transitions: code, tick, kind, name, event, reason, late, trigger (null where no offer follows).

    Columns `trigger.X` tell of the signals that made them.
    """
    none = {"kind": pl.lit("segment"), "trigger": pl.lit(None, pl.String), "late_triggers": pl.lit(False)}
    tables = [gone.with_columns(**none).select(HAPPENED.keys())]
    for segment in (one for one in plan.segments if len(changes[one.name].events)):
        name = f"{plan.level}.{segment.name}"
        trigger = {event: name if event == "entered" else f"{name}.{event}" for event in segment.triggers}
        silent = [WITHDRAWN, *([] if segment.on_start else [DEFINITION_CHANGED])]
        events = changes[segment.name].events.with_columns(
            kind=pl.lit("segment"),
            name=pl.lit(segment.name),
            trigger=pl.when(~pl.col("reason").is_in(silent).fill_null(False)).then(
                pl.col("event").replace_strict(trigger, default=None, return_dtype=pl.String)
            ),
            late_triggers=pl.lit(segment.late_triggers),
        )
        tables.append(events.select(HAPPENED.keys()))
    for moment in plan.moments:
        points = fired[moment.name].points
        events = pl.DataFrame({"code": points.codes, "tick": points.ticks}).with_columns(
            event=pl.lit("fired"),
            reason=reason_of(moment.name, change),
            kind=pl.lit("moment"),
            name=pl.lit(moment.name),
            trigger=pl.lit(f"{plan.level}.{moment.name}" if moment.triggers else None, pl.String),
            late_triggers=pl.lit(moment.late_triggers),
        )
        made = fired[moment.name].rows.select(pl.exclude("code", "tick").name.prefix(MADE))
        tables.append(events.select(HAPPENED.keys()).with_columns(made.get_columns()))
    late = pl.col("code").is_in(intake.late) & (pl.col("tick") == span.first)
    both = pl.concat(tables, how="diagonal").with_columns(late=late)
    ignored = company.ignores(EvaluationPoints(both["code"].to_numpy(), both["tick"].to_numpy()))
    triggers = (~pl.col("late") | pl.col("late_triggers")) & ~pl.Series(ignored)
    return both.with_columns(trigger=pl.when(triggers).then("trigger")).drop("late_triggers")


def _contexts_at(
    plan: ContextPlan,
    features: Features,
    changes: Mapping[str, MembershipChanges],
    points: EvaluationPoints,
    portrayed: EvaluationPoints,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the contexts at pairs of two kinds, most of which are the same."""
    if not len(portrayed):
        context = frames.context_at(plan, features.of(np.unique(points.codes)), changes, points)
        return context, context.clear()
    keys = [points.keys(plan.grid), portrayed.keys(plan.grid)]
    every = points_of(plan.grid, np.concatenate(keys))
    context = frames.context_at(plan, features, changes, every)
    written, seen = (context[np.searchsorted(every.keys(plan.grid), each)] for each in keys)
    return written, seen


def _at_end(memory: ShardState, span: Span, final: bool) -> tuple[Ints, Ints]:
    """Return code and tick of the subjects whose context is written because the run ends."""
    codes = np.flatnonzero(retention.known(memory)) if final else np.empty(0, np.int64)
    return codes, np.full(len(codes), span.upto)


def trigger_schema(plan: ContextPlan) -> pa.Schema:
    """Return the schema of `Outputs.triggers`."""
    types: dict[str, Any] = {
        "subject": pl.String,
        "trigger": pl.String,
        "tick": pl.Int64,
        "late": pl.Boolean,
        **ADDRESS,
    }
    types["evidence"] = _struct({**plan.record.evidence, **plan.trigger_columns})
    types |= {"segments": pl.List(pl.String), "context": _struct(plan.record.context)}
    return plain(pl.DataFrame(schema=types)).schema.with_metadata(_metadata(plan))


def _metadata(plan: ContextPlan) -> dict[bytes, bytes]:
    return {b"signal": b"trigger", b"subject_kind": plan.level.encode()}


def _struct(columns: Mapping[str, pl.DataType]) -> pl.DataType:
    made = pl.DataFrame(schema=columns).select(one=struct_of({name: pl.col(name) for name in columns}))
    return made.schema["one"]


def _triggers(
    plan: ContextPlan,
    happened: pl.DataFrame,
    keys: Ints,
    context: pl.DataFrame,
    rows: pl.DataFrame,
    company: GroupRouting,
) -> pa.RecordBatch:
    """Return the trigger batch: each trigger with its address and the context at its tick."""
    named = happened.filter(pl.col("trigger").is_not_null())
    at = np.searchsorted(keys, _keys(plan, named))
    table = named.select("code", "trigger", "late").hstack(rows[at])
    table = table.hstack(company.address(table.select("code", "tick", "subject", "trigger")))
    made = named.select(plan.trigger_columns.keys())
    table = table.with_columns(evidence=_evidence(plan, table["trigger"], context[at].hstack(made)))
    ordered = table.select("subject", "trigger", "tick", "late", *ADDRESS, "evidence", "segments", "context")
    arrow = plain(ordered.sort("tick", "subject", "trigger"))
    arrow = arrow.replace_schema_metadata(_metadata(plan)).combine_chunks()
    return arrow.to_batches()[0] if len(arrow) else pa.RecordBatch.from_pylist([], schema=arrow.schema)


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


def _transitions(plan: ContextPlan, happened: pl.DataFrame) -> pa.Table:
    table = happened.with_columns(subject_kind=pl.lit(plan.level), tick=_instant("tick"))
    return plain(table.select(TRANSITION.names).sort("tick", "subject", "kind", "name", "event")).cast(TRANSITION)


def _contexts(plan: ContextPlan, rows: pl.DataFrame) -> pa.Table:
    table = rows.select(
        pl.lit(plan.level).alias("subject_kind"), "subject", _instant("tick"), "cause", "segments", "context"
    )
    return plain(table.sort("tick", "subject"))


def _instant(column: str) -> pl.Expr:
    return pl.from_epoch(column, "ms").dt.replace_time_zone("UTC")


def _keys(plan: ContextPlan, events: pl.DataFrame) -> Ints:
    return keys_of(plan.grid, events["code"].to_numpy(), events["tick"].to_numpy())
