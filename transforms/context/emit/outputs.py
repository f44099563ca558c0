"""What a span brought forth, as tables: transitions, triggers, contexts, rejected rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.records import TRANSITION
from transforms.arrays.dtypes import Ints
from transforms.arrays.plain_arrow import plain
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.definitions import Moment, Segment
from transforms.compiler.steps import MADE
from transforms.context.conditions import frames
from transforms.context.conditions.segments import WITHDRAWN
from transforms.context.emit.evidence import evidence
from transforms.context.emit.segment_parts import SegmentStats
from transforms.context.emit.triggers import triggers_of
from transforms.context.features.timeline import EvaluationPoints, keys_in, keys_of, points_of
from transforms.context.features.windows import Features
from transforms.context.groups.routing import Addressed
from transforms.context.run import Run
from transforms.context.state import retention
from transforms.context.state.plan_migration import DEFINITION_CHANGED, reason_of

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
            names), context (struct of features and derived values), traceparent (of the signals of that tick, or null).
        transitions: See `schemas.records.TRANSITION`.
        contexts: subject_kind, subject, tick, cause (trigger, transition, periodic, end), segments, context.
        stats: What the span tells of segments, see `emit.segment_parts.PARTS`.
        too_late: Rows beyond the allowed lateness, per signal.
    """

    triggers: pa.RecordBatch
    transitions: pa.Table
    contexts: pa.Table
    stats: pa.Table
    too_late: Mapping[str, pa.Table]


def outputs(run: Run, left: pl.DataFrame, stats: SegmentStats) -> tuple[Outputs, Addressed]:
    """Build the outputs of a call, and to whom its triggers are addressed; the memory is committed.

    Args:
        run: After its conditions.
        left: Exits from segments that are no more.
        stats: Its segments.
    """
    plan, happened = run.plan, _happened(run, left)
    causes = {
        "end": keys_of(plan.grid, *_at_end(run)),
        "periodic": run.periodic.points.keys(plan.grid),
        "transition": keys_in(plan.grid, happened),
        "trigger": keys_in(plan.grid, happened.filter(pl.col("trigger").is_not_null())),
    }
    points = points_of(plan.grid, np.concatenate(list(causes.values())))
    context, profiled = _contexts_at(run, points, stats.points)
    keys = points.keys(plan.grid)
    cause = np.full(len(points), "transition", dtype=object)
    for name, where in causes.items():
        cause[np.searchsorted(keys, np.unique(where))] = name
    rows = frames.records(plan, context).with_columns(
        subject=run.memory.subjects["subject"][points.codes],
        tick=pl.Series(points.ticks),
        cause=pl.Series(cause, dtype=pl.String),
    )
    at = np.searchsorted(keys, keys_in(plan.grid, happened))
    seen = context[at].hstack(happened.select(plan.trigger_columns.keys()))
    transitions = happened.with_columns(subject=rows["subject"][at], evidence=evidence(plan, happened, seen))
    named = happened.with_columns(row=pl.Series(at)).filter(pl.col("trigger").is_not_null())
    triggers, addressed = triggers_of(run, named, context, rows)
    stated = stats.parts(profiled)
    made = Outputs(triggers, _transitions(plan, transitions), _contexts(plan, rows), stated, run.ingested.too_late)
    return made, addressed


def _happened(run: Run, left: pl.DataFrame) -> pl.DataFrame:
    """Return all transitions: code, tick, kind, name, event, reason, late, trigger (null where no offer follows).

    Columns `trigger.X` tell of the signals that made them.
    """
    none = {"kind": pl.lit("segment"), "trigger": pl.lit(None, pl.String), "late_triggers": pl.lit(False)}
    tables = [left.with_columns(**none).select(HAPPENED.keys())]
    for segment in run.plan.segments:
        events = run.changes[segment.name].events
        if len(events):
            tables.append(_turned(run.plan, segment, events))
    tables += [_fired(run, moment) for moment in run.plan.moments]
    late = pl.col("code").is_in(run.ingested.late) & (pl.col("tick") == run.span.first)
    both = pl.concat(tables, how="diagonal").with_columns(late=late)
    ignored = run.routing.ignores(EvaluationPoints(both["code"].to_numpy(), both["tick"].to_numpy()))
    triggers = (~pl.col("late") | pl.col("late_triggers")) & ~pl.Series(ignored)
    return both.with_columns(trigger=pl.when(triggers).then("trigger")).drop("late_triggers")


def _turned(plan: ContextPlan, segment: Segment, events: pl.DataFrame) -> pl.DataFrame:
    """Return what happened to the memberships of a segment, as `HAPPENED`."""
    name = f"{plan.level}.{segment.name}"
    trigger = {event: name if event == "entered" else f"{name}.{event}" for event in segment.triggers}
    silent = [WITHDRAWN, *([] if segment.on_start else [DEFINITION_CHANGED])]
    named = pl.col("event").replace_strict(trigger, default=None, return_dtype=pl.String)
    return events.with_columns(
        kind=pl.lit("segment"),
        name=pl.lit(segment.name),
        trigger=pl.when(~pl.col("reason").is_in(silent).fill_null(False)).then(named),
        late_triggers=pl.lit(segment.late_triggers),
    ).select(HAPPENED.keys())


def _fired(run: Run, moment: Moment) -> pl.DataFrame:
    """Return when a moment fired, as `HAPPENED`, with columns of the signals that made it."""
    firings = run.firings[moment.name]
    events = pl.DataFrame({"code": firings.points.codes, "tick": firings.points.ticks}).with_columns(
        event=pl.lit("fired"),
        reason=reason_of(moment.name, run.migration),
        kind=pl.lit("moment"),
        name=pl.lit(moment.name),
        trigger=pl.lit(f"{run.plan.level}.{moment.name}" if moment.triggers else None, pl.String),
        late_triggers=pl.lit(moment.late_triggers),
    )
    made = firings.rows.select(pl.exclude("code", "tick").name.prefix(MADE))
    return events.select(HAPPENED.keys()).with_columns(made.get_columns())


def _contexts_at(run: Run, points: EvaluationPoints, profiled: EvaluationPoints) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the contexts at pairs of two kinds, most of which are the same."""
    grid = run.plan.grid
    if not len(profiled):
        context = _counted(run, run.features.of(np.unique(points.codes)), points)
        return context, context.clear()
    keys = [points.keys(grid), profiled.keys(grid)]
    every = points_of(grid, np.concatenate(keys))
    context = _counted(run, run.features, every)
    written, seen = (context[np.searchsorted(every.keys(grid), each)] for each in keys)
    return written, seen


def _counted(run: Run, features: Features, points: EvaluationPoints) -> pl.DataFrame:
    """Return contexts, and count the sums in them that are too large."""
    before = features.sums_too_large
    context = frames.context_at(run.plan, features, run.changes, points)
    run.ingested.counts["sums_too_large"] += features.sums_too_large - before
    return context


def _at_end(run: Run) -> tuple[Ints, Ints]:
    """Return code and tick of the subjects whose context is written because the run ends."""
    codes = np.flatnonzero(retention.known(run.memory)) if run.options.final else np.empty(0, np.int64)
    return codes, np.full(len(codes), run.span.upto)


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
