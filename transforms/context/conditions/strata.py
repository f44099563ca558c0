"""All values that fade, segments and moments of a call, stratum by stratum."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.definitions import Stratum
from transforms.context.conditions import fading, frames, moments, segments
from transforms.context.conditions.moments import Firings
from transforms.context.conditions.segments import MembershipChanges
from transforms.context.conditions.sequences import SequenceMatches
from transforms.context.features.timeline import EvaluationPoints, keys_of, points_of
from transforms.context.features.windows import Features
from transforms.context.grid import Ints, Span
from transforms.context.groups.routing import GroupRouting
from transforms.context.state.plan_migration import PlanMigration
from transforms.context.state.shard_state import ShardState


def run_conditions(
    plan: ContextPlan,
    memory: ShardState,
    features: Features,
    span: Span,
    points: EvaluationPoints,
    company: GroupRouting,
    change: PlanMigration | None,
    done: Mapping[str, SequenceMatches],
) -> tuple[dict[str, MembershipChanges], dict[str, Firings], EvaluationPoints]:
    """Run all values that fade, segments and moments, stratum by stratum; return where anything was evaluated, too."""
    changes: dict[str, MembershipChanges] = {}
    fired: dict[str, Firings] = {}
    turned: list[MembershipChanges] = []
    for stratum in plan.strata:
        points = points_of(plan.grid, np.concatenate([points.keys(plan.grid), *_turns(plan, turned)]))
        points = _fade(plan, memory, features, span, points, changes, stratum)
        frame = frames.frame_at(plan, features, changes, points, stratum)
        level = frames.levels(frame, stratum, company.ignores(points))
        for segment in stratum.segments:
            mine = memory.members.filter(pl.col("segment") == segment.name)
            decide = segments.Levels(*(level[f"{what} {segment.name}"] for what in segments.Levels._fields))
            made = segments.run(segment, span, points, decide, mine)
            changes[segment.name] = change.marked(segment.name, made) if change else made
        turned = [changes[segment.name] for segment in stratum.segments]
        for moment in stratum.moments:
            mine = memory.moments.filter(pl.col("moment") == moment.name)
            true, silent = level[f"when {moment.name}"], change.silent(moment) if change else None
            if moment.name in done:
                fired[moment.name] = moments.complete(moment, span, points, true, mine, done[moment.name], silent)
            else:
                fired[moment.name] = moments.run(moment, span, points, true, mine, silent)
    return changes, fired, points


def _fade(
    plan: ContextPlan,
    memory: ShardState,
    features: Features,
    span: Span,
    points: EvaluationPoints,
    changes: Mapping[str, MembershipChanges],
    stratum: Stratum,
) -> EvaluationPoints:
    """Run the values of a stratum that fade; return the pairs and where they fall."""
    for one in stratum.derived:
        if one.fading and one.name not in features.faded:
            level = frames.part_at(plan, features, changes, points, [one.name])[one.name]
            kept = memory.fading.get(plan.keys[one.name], pl.DataFrame(schema=fading.KEPT))
            forget = ~features.consents(points) if one.consent else None
            features.faded[one.name] = fading.run(one.fading, span, points, level, kept, forget)
            falls = features.faded[one.name].falls.keys(plan.grid)
            points = points_of(plan.grid, np.concatenate([points.keys(plan.grid), falls]))
    return points


def _turns(plan: ContextPlan, changes: Sequence[MembershipChanges]) -> list[Ints]:
    """Return where memberships changed: later strata may read them."""
    return [
        keys_of(plan.grid, change.events["code"].to_numpy(), change.events["tick"].to_numpy()) for change in changes
    ]
