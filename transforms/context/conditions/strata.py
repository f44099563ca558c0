"""All values that fade, segments and moments of a call, stratum by stratum."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Bools, Ints
from transforms.compiler.definitions import Stratum
from transforms.context.conditions import fading, frames, moments, segments
from transforms.context.conditions.segments import MembershipChanges
from transforms.context.features.timeline import keys_in, points_of
from transforms.context.run import Run


def run_conditions(run: Run) -> None:
    """Run all values that fade, segments and moments, stratum by stratum; add the points that later ones look at."""
    turned: list[MembershipChanges] = []
    for stratum in run.plan.strata:
        _look_also(run, _turns(run, turned))
        _fade(run, stratum)
        frame = frames.frame_at(run.plan, run.features, run.changes, run.points, stratum)
        level = frames.levels(frame, stratum, run.routing.ignores(run.points))
        _run_segments(run, stratum, level)
        _run_moments(run, stratum, level)
        turned = [run.changes[segment.name] for segment in stratum.segments]


def _run_segments(run: Run, stratum: Stratum, level: Mapping[str, Bools]) -> None:
    for segment in stratum.segments:
        mine = run.memory.members.filter(pl.col("segment") == segment.name)
        decide = segments.Levels(*(level[f"{what} {segment.name}"] for what in segments.Levels._fields))
        made = segments.run(segment, run.span, run.points, decide, mine)
        run.changes[segment.name] = run.migration.marked(segment.name, made) if run.migration else made


def _run_moments(run: Run, stratum: Stratum, level: Mapping[str, Bools]) -> None:
    for moment in stratum.moments:
        mine = run.memory.moments.filter(pl.col("moment") == moment.name)
        true, silent = level[f"when {moment.name}"], run.migration.silent(moment) if run.migration else None
        if match := run.matches.get(moment.name):
            made = moments.complete(moment, run.span, run.points, true, mine, match, silent)
        else:
            made = moments.run(moment, run.span, run.points, true, mine, silent)
        run.firings[moment.name] = made


def _fade(run: Run, stratum: Stratum) -> None:
    """Run the values of a stratum that fade; look also where they fall."""
    faded = run.features.faded
    for one in stratum.derived:
        if one.fading and one.name not in faded:
            level = frames.part_at(run.plan, run.features, run.changes, run.points, [one.name])[one.name]
            kept = run.memory.fading.get(run.plan.keys[one.name], pl.DataFrame(schema=fading.KEPT))
            forget = ~run.features.consents(run.points) if one.consent else None
            faded[one.name] = fading.run(one.fading, run.span, run.points, level, kept, forget)
            _look_also(run, [faded[one.name].falls.keys(run.plan.grid)])


def _look_also(run: Run, keys: Sequence[Ints]) -> None:
    run.points = points_of(run.plan.grid, np.concatenate([run.points.keys(run.plan.grid), *keys]))


def _turns(run: Run, changes: Sequence[MembershipChanges]) -> list[Ints]:
    """Return where memberships changed: later strata may read them."""
    return [keys_in(run.plan.grid, one.events) for one in changes]
