"""Where conditions are evaluated: at each (subject, tick) at which something may change, or somebody asks."""

from collections.abc import Iterator

import numpy as np

from transforms.arrays.dtypes import Ints
from transforms.context.features import intervals
from transforms.context.features.timeline import EvaluationPoints, keys_of, points_of, without_repeats
from transforms.context.features.windows import ready_at
from transforms.context.grid import NEVER
from transforms.context.run import Run


def evaluation_points(run: Run) -> EvaluationPoints:
    """Return where conditions may change or are asked for; note where contexts change, and when they next may."""
    keys = [run.routing.asked, *(match.points.keys(run.plan.grid) for match in run.matches.values())]
    keys += [*_of_subjects(run), *_of_features(run), *_of_completeness(run)]
    return points_of(run.plan.grid, np.concatenate(keys))


def note_changes(run: Run) -> None:
    """Note the contexts that change because values fade or features become complete, after all conditions were run."""
    for one in run.features.faded.values():
        run.periodic.changed(one.falls.codes, one.falls.ticks)
    for tick in (tick for tick in _ready(run) if run.span.first <= tick <= run.span.upto):
        there = _there(run, tick)
        run.periodic.changed(there, np.full(len(there), tick))


def _of_subjects(run: Run) -> Iterator[Ints]:
    """Yield the points of subjects that are new, got late rows, or are under another plan."""
    grid, first, (new, first_ticks) = run.plan.grid, run.span.first, run.ingested.new
    yield keys_of(grid, new, np.maximum(first_ticks, first))
    known = np.flatnonzero(_since(run) < first) if run.migration else new[:0]
    for codes in (known, run.ingested.late):
        ticks = np.full(len(codes), first)
        run.periodic.changed(codes, ticks)
        yield keys_of(grid, codes, ticks)


def _of_features(run: Run) -> Iterator[Ints]:
    """Yield the points at which rows change what conditions read."""
    for codes, ticks, needed in run.features.changes(unread=not run.options.part):
        later = ticks > run.span.upto
        within = (ticks >= run.span.first) & ~later
        run.periodic.changed(codes[within], ticks[within])
        if needed:
            run.wakes.at(codes[later], ticks[later])
            yield without_repeats(keys_of(run.plan.grid, codes[within], ticks[within]))
        else:
            run.wakes.all_at(run.periodic.at(int(ticks[later].min(initial=NEVER))))


def _of_completeness(run: Run) -> Iterator[Ints]:
    """Yield the points at which features become complete, of all subjects that are known then."""
    for tick in (tick for tick in _ready(run) if tick >= run.span.first):
        codes = np.flatnonzero(_since(run) <= tick)
        if tick <= run.span.upto:
            yield keys_of(run.plan.grid, codes, np.full(len(codes), tick))
        elif len(codes):
            run.wakes.all_at(tick)


def _since(run: Run) -> Ints:
    """Return of each subject the first tick at which it was known, 0 for those known before."""
    new, first_ticks = run.ingested.new
    since = np.zeros(run.memory.subjects.height, np.int64)
    since[new] = first_ticks
    return since


def _ready(run: Run) -> list[int]:
    """Return the ticks at which features become complete."""
    ready = (ready_at(run.memory, feature) for feature in run.plan.features)
    return sorted({run.plan.grid.at_least(at) for at in ready if at is not None})


def _there(run: Run, tick: int) -> Ints:
    """Return who has a row in some window, or is in some segment, at a tick: others may have been forgotten."""
    codes = np.arange(run.memory.subjects.height)
    points = EvaluationPoints(codes, np.full(len(codes), tick))
    there = np.zeros(len(codes), bool)
    there[intervals.pairs_at(intervals.of_rows(run.features, run.span), np.array([tick]))[0]] = True
    for change in run.changes.values():
        there |= change.member_at(run.plan.grid, points)
    return np.flatnonzero(there)
