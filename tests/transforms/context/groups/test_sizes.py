"""Groups that are too large: told of when that changes, once, in a span or in its parts."""

from itertools import pairwise

import polars as pl
import pytest

from tests.transforms.context.groups.test_people import GRID, memberships
from transforms.context.grid import Span
from transforms.context.groups.people import keep_people, leaves_of, take_people
from transforms.context.groups.sizes import KEPT, take_sizes
from transforms.context.state.shard_state import ShardState

ROWS = [
    (0, 5, "ann", True),
    (0, 6, "ben", True),
    (0, 25, "cat", True),
    (0, 31, "ann", False),
    (0, 45, "ann", True),
    (0, 46, "cat", False),
    (0, 47, "dan", True),
    (1, 5, "eve", True),
]
"""Of two, three (at 30), two (at 40) and three (at 50): who comes and goes within one tick makes no difference."""


def turns(*ends: int, most: int = 2) -> list[tuple[int, int, bool]]:
    """Return what is told in calls up to some ticks."""
    memory, found = ShardState(), []
    for closed, upto in pairwise((None, *ends)):
        due = memberships(*[row for row in ROWS if (closed or 0) <= row[1] < upto])
        people = take_people(GRID, memory, due)
        found += take_sizes(memory, people, Span(GRID, closed, upto), most).rows()
        keep_people(people, memory, leaves_of(people))
        memory.closed = upto
    return found


@pytest.mark.parametrize("ends", [(70,), (10, 20, 30, 40, 50, 60, 70), (30, 70), (40, 50, 70)])
def test_each_turn_is_told_once(ends: tuple[int, ...]) -> None:
    assert turns(*ends) == [(0, 30, True), (0, 40, False), (0, 50, True)]
    assert turns(*ends, most=3) == []


def test_another_limit_turns_at_the_first_tick_and_so_does_a_group_whose_members_are_gone() -> None:
    memory, span = ShardState(closed=20), Span(GRID, 20, 40)
    people = take_people(GRID, ShardState(), memberships(*ROWS[:2], ROWS[-1]))
    assert take_sizes(memory, people, span, 1).rows() == [(0, 30, True)]
    assert memory.groups[KEPT]["code"].to_list() == [0]
    assert take_sizes(memory, people.filter(pl.col("code") == 1), span, 1).rows() == [(0, 30, False)]
    assert KEPT not in memory.groups
