"""Values that fade: what is left when, and that neither cuts nor more looks change it."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import LoadErrors
from schemas.playbook_file import parse_playbook
from transforms.compiler.definitions import Fading
from transforms.compiler.load import load_plan
from transforms.context.conditions.fading import KEPT, run
from transforms.context.features.refreshes import Refreshes
from transforms.context.features.timeline import keys_of, points_of
from transforms.context.grid import Grid, Span

GRID = Grid(1)
HALF = Fading(half_life=8, refreshes=Refreshes(4))
NONE = pl.DataFrame(schema=KEPT)

Level = float | None
Levels = dict[int, Level]
LEVELS = [None, -1.0, 0.0, 1e-4, 0.1, 1 / 3, 0.5, 2 / 3, 1.0, 900.0]


def points(ticks: list[int]):
    codes = pl.Series([0] * len(ticks), dtype=pl.Int64).to_numpy()
    return points_of(GRID, keys_of(GRID, codes, pl.Series(ticks, dtype=pl.Int64).to_numpy()))


def played(levels: Levels, cuts: list[int], extra: list[int] = ()) -> tuple[list[Level], set[int]]:
    """Return the value at each tick from 1 to the last cut, and the falls; `levels` says where the level changes."""

    def level_at(ticks: list[int]) -> pl.Series:
        known = [[level for since, level in sorted(levels.items()) if since <= tick][-1] for tick in ticks]
        return pl.Series(known, dtype=pl.Float64)

    closed, kept, values, falls = None, NONE, [], set()
    for upto in cuts:
        span = Span(GRID, closed, upto)
        looked = sorted(tick for tick in {*levels, *extra} if span.first <= tick <= upto)
        made = run(HALF, span, points(looked), level_at(looked), kept)
        every = [tick for tick in range(max(span.first, 1), upto + 1) if tick >= min(levels)]
        values += made.at(points(every), level_at(every)).to_list()
        falls |= set(made.falls.ticks.tolist())
        assert all(span.first <= tick <= upto for tick in made.falls.ticks)
        closed, kept = upto, made.kept
    return values, falls


def test_it_falls_by_half_in_a_half_life_at_each_refresh() -> None:
    values, falls = played({1: 1.0, 3: 0.0}, [20])
    left = [1.0] * 3 + [math.sqrt(0.5)] * 4 + [0.5] * 4 + [math.sqrt(0.125)] * 4 + [0.25] * 4 + [math.sqrt(1 / 32)]
    assert values == pytest.approx(left, abs=1e-6)
    assert values[7] == 0.5
    assert falls == {4, 8, 12, 16, 20}


@pytest.mark.parametrize(
    ("level", "last"),
    [(math.sqrt(0.5), 4), (0.6, 8), (0.5, 8), (math.nextafter(0.5, 0), 8), (0.49, 12), (0.25, 16)],
    ids=["on the first", "between", "on the second", "hardly later", "later", "on the fourth"],
)
def test_the_last_fall_is_at_the_refresh_at_which_nothing_more_is_left(level: float, last: int) -> None:
    values, falls = played({1: 1.0, 2: level}, [20])
    assert falls == {*range(4, last + 1, 4)}
    assert values[last - 1] == pytest.approx(level, abs=1e-6) != values[last - 2]


@pytest.mark.parametrize(
    ("levels", "tick", "value"),
    [
        ({1: 1.0, 2: 0.6}, 4, math.sqrt(0.5)),  # more is left than holds it up
        ({1: 1.0, 2: 0.6}, 8, 0.6),  # it is held up
        ({1: 1.0, 2: None}, 4, math.sqrt(0.5)),
        ({1: 1.0, 2: None}, 84, None),  # less than a thousandth
        ({1: None}, 4, None),
        ({1: -3.0, 2: -5.0}, 4, -5.0),
        ({1: 1.0, 2: 0.0, 5: 2.0, 6: 0.0}, 12, 1.0),  # the greater one holds
        ({1: 2 / 3, 5: 2 / 3}, 9, 2 / 3),
    ],
)
def test_what_is_left(levels: Levels, tick: int, value: Level) -> None:
    found = played(levels, [100])[0][tick - 1]
    assert found == (value if value is None else pytest.approx(value, abs=1e-6))


def test_what_is_gone_is_not_kept() -> None:
    span = Span(GRID, None, 100)
    made = run(HALF, span, points([1, 2]), pl.Series([1.0, 0.0]), NONE)
    assert (made.kept.height, [*made.wakes[1]]) == (0, [])
    held = run(HALF, span, points([1]), pl.Series([1.0]), NONE)
    assert (held.kept["level"].to_list(), [*held.wakes[1]]) == ([1.0], [])
    falling = run(HALF, Span(GRID, None, 6), points([1, 2]), pl.Series([1.0, 0.0]), NONE)
    assert (falling.kept.height, [*falling.wakes[1]]) == (1, [8])


def test_nothing_is_left_of_what_is_forgotten() -> None:
    looked, level = points([1, 2, 3, 5]), pl.Series([1.0, 0.5, 0.0, 0.25])
    made = run(HALF, Span(GRID, None, 8), looked, level, NONE, np.array([False, True, True, False]))
    assert made.at(looked, level).to_list() == level.to_list()
    assert made.kept.rows() == [(0, 1000 * -8, 0.25)]


@given(
    st.dictionaries(st.integers(1, 60), st.sampled_from(LEVELS), min_size=1),
    st.sets(st.integers(1, 89)),
    st.sets(st.integers(1, 90)),
)
def test_cuts_and_further_looks_do_not_matter(levels: Levels, cuts: set[int], extra: set[int]) -> None:
    whole, falls = played(levels, [90])
    assert played(levels, [*sorted(cuts), 90], [tick for tick in extra if tick >= min(levels)]) == (whole, falls)
    changes = {tick for tick in range(2, len(whole) + 1) if whole[tick - 1] != whole[tick - 2]}
    offset = min(levels) - 1
    assert {tick + offset for tick in changes} <= {*levels} | falls


def test_only_numbers_fade() -> None:
    features, derived = "{n: {last: kind, from: usage}}", "{d: {expr: n, half_life: 1d}}"
    text = f"playbook: p\nsignals: [usage]\nsubscriber:\n  features: {features}\n  derived: {derived}\n"
    with pytest.raises(LoadErrors, match="`half_life` needs a number, and `d` is String"):
        load_plan(parse_playbook(text))
