"""All values that fade, segments and moments of a call, stratum by stratum."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from transforms.context import contexts, fading, moments, segments
from transforms.context.change import Change
from transforms.context.features import Features
from transforms.context.groups.company import Company
from transforms.context.memory import Memory
from transforms.context.moments import Fired
from transforms.context.plan.context_plan import ContextPlan
from transforms.context.plan.definitions import Stratum
from transforms.context.segments import Changes, Span
from transforms.context.sequences import Completed
from transforms.context.ticks import Ints
from transforms.context.timeline import Points, keys_of, points_of


def run_conditions(
    plan: ContextPlan,
    memory: Memory,
    features: Features,
    span: Span,
    points: Points,
    company: Company,
    change: Change | None,
    done: Mapping[str, Completed],
) -> tuple[dict[str, Changes], dict[str, Fired], Points]:
    """Run all values that fade, segments and moments, stratum by stratum; return where anything was evaluated, too."""
    changes: dict[str, Changes] = {}
    fired: dict[str, Fired] = {}
    turned: list[Changes] = []
    for stratum in plan.strata:
        points = points_of(plan.grid, np.concatenate([points.keys(plan.grid), *_turns(plan, turned)]))
        points = _fade(plan, memory, features, span, points, changes, stratum)
        frame = contexts.frame_at(plan, features, changes, points, stratum)
        level = contexts.levels(frame, stratum, company.ignores(points))
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
    memory: Memory,
    features: Features,
    span: Span,
    points: Points,
    changes: Mapping[str, Changes],
    stratum: Stratum,
) -> Points:
    """Run the values of a stratum that fade; return the pairs and where they fall."""
    for one in stratum.derived:
        if one.fading and one.name not in features.faded:
            level = contexts.part_at(plan, features, changes, points, [one.name])[one.name]
            kept = memory.fading.get(plan.keys[one.name], pl.DataFrame(schema=fading.KEPT))
            forget = ~features.consents(points) if one.consent else None
            features.faded[one.name] = fading.run(one.fading, span, points, level, kept, forget)
            falls = features.faded[one.name].falls.keys(plan.grid)
            points = points_of(plan.grid, np.concatenate([points.keys(plan.grid), falls]))
    return points


def _turns(plan: ContextPlan, changes: Sequence[Changes]) -> list[Ints]:
    """Return where memberships changed: later strata may read them."""
    return [
        keys_of(plan.grid, change.events["code"].to_numpy(), change.events["tick"].to_numpy()) for change in changes
    ]
