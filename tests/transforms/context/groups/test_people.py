"""Who is in a group: present members and their number, as of any tick."""

import numpy as np
import polars as pl

from transforms.context.features.timeline import EvaluationPoints
from transforms.context.grid import Grid
from transforms.context.groups.people import (
    KEPT,
    keep_people,
    leaves_of,
    member_of,
    present_at,
    take_people,
    too_large_at,
)
from transforms.context.state.shard_state import ShardState

GRID = Grid(10)


def memberships(*rows: tuple[int, int, str, bool]) -> pl.DataFrame:
    """Return what members told: code, time, subscriber, joined."""
    table = pl.DataFrame(rows, schema=["code", "time", "subscriber", "joined"], orient="row")
    nothing = {name: pl.lit(None, pl.String) for name in ("role", "household", "sme")}
    return table.with_columns(member_of(table["subscriber"]), **nothing, moved_until=pl.lit(None, pl.Int64))


PEOPLE = take_people(
    GRID,
    ShardState(),
    memberships((0, 5, "ann", True), (0, 15, "ben", True), (0, 25, "ann", False), (1, 5, "cat", True)),
)


def test_members_are_there_from_the_tick_after_they_joined_to_that_after_they_left() -> None:
    points = pl.DataFrame({"code": [0] * 4 + [1], "tick": [0, 10, 20, 30, 30]})
    assert sorted(present_at(PEOPLE, points).select("code", "tick", "subscriber").rows()) == [
        (0, 10, "ann"),
        (0, 20, "ann"),
        (0, 20, "ben"),
        (0, 30, "ben"),
        (1, 30, "cat"),
    ]
    asked = EvaluationPoints(points["code"].to_numpy(), points["tick"].to_numpy())
    for most, too_large in ((0, [1, 2, 3, 4]), (1, [2]), (2, []), (3, [])):
        assert np.flatnonzero(too_large_at(GRID, PEOPLE, asked, most)).tolist() == too_large


def test_who_leaves_and_comes_back_within_a_tick_never_left() -> None:
    people = take_people(
        GRID, ShardState(), memberships((0, 5, "ann", True), (0, 21, "ann", False), (0, 22, "ann", True))
    )
    assert leaves_of(people).is_empty()


def test_only_those_who_are_there_are_kept() -> None:
    memory = ShardState(closed=30)
    keep_people(PEOPLE, memory, leaves_of(PEOPLE))
    assert memory.groups[KEPT]["subscriber"].to_list() == ["ben", "cat"]
    later = take_people(GRID, memory, memberships((1, 12, "dan", True)))
    assert later.filter(pl.col("subscriber") == "dan")["tick"].to_list() == [40]
    assert np.unique(later["member"].to_numpy()).size == 3
