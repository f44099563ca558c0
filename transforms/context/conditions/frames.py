"""Conditions and contexts at (subject, tick) pairs: features, derived values and memberships as columns."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Bools
from transforms.compiler.consents import PROFILING
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.definitions import Derived, Stratum
from transforms.compiler.dotted import struct_of
from transforms.compiler.sql.dates import TICK
from transforms.compiler.strata import behind
from transforms.context.conditions.fading import Faded
from transforms.context.conditions.segments import Changes
from transforms.context.features.timeline import EvaluationPoints
from transforms.context.features.windows import Features


def frame_at(
    plan: ContextPlan,
    features: Features,
    changes: Changes,
    points: EvaluationPoints,
    stratum: Stratum,
) -> pl.DataFrame:
    """Return what the conditions of a stratum read at each pair: features, derived values, and earlier segments."""
    members = {name: change for name, change in changes.items() if name in stratum.reads}
    return _derive(_at(plan, features, members, points, stratum.reads), stratum.derived, features.faded, points)


def _derive(
    frame: pl.DataFrame, derived: Iterable[Derived], faded: Mapping[str, Faded], points: EvaluationPoints
) -> pl.DataFrame:
    """Add derived values at each pair, each of which may read those before it; each sees only what it reads."""
    columns = {column.name: column for column in frame}
    made = []
    for one in derived:
        read = pl.DataFrame([columns[name] for name in (TICK, *sorted(one.expression.columns))])
        value = read.select(one.column).to_series()
        value = value.new_from_index(0, len(frame)) if len(value) != len(frame) else value
        value = faded[one.name].at(points, value).alias(one.name) if one.name in faded else value
        columns[one.name] = value
        made.append(value)
    return frame.hstack(made)


def levels(frame: pl.DataFrame, stratum: Stratum, ignored: Bools) -> dict[str, Bools]:
    """Return the levels of a stratum's conditions, NULL as FALSE, named as `segments.Levels` and `when X`.

    Where a group is ignored nothing holds but `exit`.
    """
    exprs = {}
    for segment in stratum.segments:
        enter = segment.enter.expr.fill_null(False)
        exprs[f"enter {segment.name}"] = enter
        if segment.exit is not None:
            exprs[f"exit {segment.name}"] = segment.exit.expr.fill_null(False)
        else:
            exprs[f"exit {segment.name}"] = pl.lit(False) if segment.expire else ~enter
        exprs[f"above {segment.name}"] = pl.any_horizontal(pl.lit(False), *segment.above)
        exprs[f"withdrawn {segment.name}"] = ~pl.col(PROFILING) if segment.consent else pl.lit(False)
    exprs |= {f"when {moment.name}": moment.when.expr.fill_null(False) for moment in stratum.moments}
    found = frame.select(**exprs)
    made = {name: np.broadcast_to(found[name].to_numpy(), len(frame)) for name in exprs}
    if not ignored.any():
        return made
    return {name: np.where(ignored, name.startswith("exit "), true) for name, true in made.items()}


def context_at(plan: ContextPlan, features: Features, changes: Changes, points: EvaluationPoints) -> pl.DataFrame:
    """Return the whole context at each pair.

    Returns:
        One column a feature, a derived value and a segment (its membership), in the order of the plan.
    """
    frame = _at(plan, features, changes, points, {f.name for f in plan.features})
    return _derive(frame, plan.derived, features.faded, points)


def _at(
    plan: ContextPlan,
    features: Features,
    changes: Changes,
    points: EvaluationPoints,
    names: Collection[str],
) -> pl.DataFrame:
    """Return some features, the memberships and the tick at each pair."""
    members = [pl.Series(name, change.member_at(plan.grid, points)) for name, change in changes.items()]
    return features.at(points, names).with_columns(pl.Series(TICK, points.ticks), *members)


def part_at(
    plan: ContextPlan,
    features: Features,
    changes: Changes,
    points: EvaluationPoints,
    names: Iterable[str],
) -> pl.DataFrame:
    """Return the columns of `context_at` that the names are made of."""
    read = behind(plan.derived, names)
    members = {name: change for name, change in changes.items() if name in read}
    derived = (one for one in plan.derived if one.name in read)
    return _derive(_at(plan, features, members, points, read), derived, features.faded, points)


def records(plan: ContextPlan, context: pl.DataFrame) -> pl.DataFrame:
    """Return columns `segments` (sorted names) and `context` (struct of profile, features and derived values)."""
    mine = {feature.name for feature in plan.features} | {derived.name for derived in plan.derived}
    fields = {name: pl.col(name) if name in mine else pl.lit(None, of) for name, of in plan.record.context.items()}
    members = [
        pl.when(segment.name).then(pl.lit(segment.name)) for segment in sorted(plan.segments, key=lambda one: one.name)
    ]
    segments = pl.concat_list(members).list.drop_nulls() if members else pl.lit([], pl.List(pl.String))
    return context.with_columns(segments=segments, context=struct_of(fields)).select("segments", "context")
