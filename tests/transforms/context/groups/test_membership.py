"""Who is in which group: stays by hand, and against a walk through the events in plain Python."""

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.context.grid import NEVER, Grid
from transforms.context.groups.membership import EVENTS, KEPT, ORDER, identify, memorable, of_kind, stays_of
from transforms.context.state.shard_state import ShardState

Event = tuple[int, str, str, bool, int]
"""Code, kind of group, group, whether it joined, time."""


def events_of(rows: Sequence[Event]) -> pl.DataFrame:
    """Return events; their ids say in which order they were given."""
    table = [
        {"code": code, "group_kind": kind, "group": group, "joined": joined, "since": time, "time": time}
        | {"role": None, "source": "crm", "id": f"{n:03}"}
        for n, (code, kind, group, joined, time) in enumerate(rows)
    ]
    return pl.DataFrame(table, schema=EVENTS).sort(ORDER)


def told(rows: Sequence[Event]) -> list[tuple[int, str, str, int, int]]:
    """Return the stays as tuples."""
    stays = stays_of(events_of(rows))
    return stays.select("code", "group_kind", "group", "start", "end").rows()


@pytest.mark.parametrize(
    ("rows", "stays"),
    [
        ([], []),
        ([(0, "household", "h1", True, 5)], [(0, "household", "h1", 5, NEVER)]),
        ([(0, "household", "h1", True, 5), (0, "household", "h1", False, 9)], [(0, "household", "h1", 5, 9)]),
        (
            [(0, "household", "h1", True, 5), (0, "household", "h2", True, 7)],
            [(0, "household", "h1", 5, 7), (0, "household", "h2", 7, NEVER)],
        ),
        (
            [(0, "household", "h1", True, 5), (0, "household", "h2", False, 7)],
            [(0, "household", "h1", 5, NEVER)],
        ),
        ([(0, "household", "h1", False, 5)], []),
        (
            [(0, "household", "h1", True, 5), (0, "sme", "s1", True, 6)],
            [(0, "household", "h1", 5, NEVER), (0, "sme", "s1", 6, NEVER)],
        ),
        (
            [(0, "household", "h1", True, 5), (1, "household", "h1", True, 6), (0, "household", "h1", False, 8)],
            [(0, "household", "h1", 5, 8), (1, "household", "h1", 6, NEVER)],
        ),
    ],
    ids=["nothing", "joins", "leaves", "moves", "leaves another", "was nowhere", "at home and at work", "two"],
)
def test_stays(rows: list[Event], stays: list[tuple[int, str, str, int, int]]) -> None:
    assert told(rows) == stays


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["household", "sme"]),
            st.sampled_from(["a", "b"]),
            st.booleans(),
            st.integers(0, 6),
        ),
        max_size=14,
    )
)
def test_at_any_time_a_subject_is_where_the_events_say(rows: list[Event]) -> None:
    events = events_of(rows)
    for kind in ("household", "sme"):
        stays = of_kind(stays_of(events), kind)
        for code in range(3):
            for time in range(8):
                at = stays.at(pl.Series([code]).to_numpy(), pl.Series([time]).to_numpy())[0]
                found = None if at < 0 else stays.table["group"][int(at)]
                assert found == _walk(events, code, kind, time)


def _walk(events: pl.DataFrame, code: int, kind: str, time: int) -> str | None:
    where = None
    for row in events.iter_rows(named=True):
        if (row["code"], row["group_kind"]) == (code, kind) and row["since"] <= time:
            if row["joined"]:
                where = row["group"]
            elif where == row["group"]:
                where = None
    return where


@given(
    st.lists(
        st.tuples(st.just(0), st.just("household"), st.sampled_from(["a", "b"]), st.booleans(), st.integers(0, 9)),
        max_size=10,
    ),
    st.integers(0, 10),
)
def test_what_is_forgotten_is_not_missed(rows: list[Event], since: int) -> None:
    events = events_of(rows)
    kept = memorable(events, since)
    assert [_walk(kept, 0, "household", time) for time in range(since, 11)] == [
        _walk(events, 0, "household", time) for time in range(since, 11)
    ]


def test_a_late_change_acts_from_the_closed_tick_and_contradictions_and_doubts_are_counted() -> None:
    memory = ShardState(closed=100)
    names = ("code", "time", "group_kind", "group", "state", "role", "confidence", "source", "id")
    rows = [
        (0, 50, "household", "h1", "joined", "member", None, "crm", "1"),
        (0, 120, "household", "h2", "joined", "member", 0.5, "crm", "2"),
        (0, 125, "household", "h2", "left", None, 0.25, "crm", "3"),
        (0, 130, "household", "h9", "left", None, 1.0, "crm", "4"),
    ]
    signals = pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows], infer_schema_length=None)
    identity = identify(memory, signals, allowed_lateness=1_000, min_confidence=0.5)
    stays = identity.stays["household"].table
    assert stays.select("group", "start", "end").rows() == [("h1", 100, 120), ("h2", 120, NEVER)]
    assert (identity.contradictory, identity.doubtful) == (2, 1)


def test_who_comes_back_within_a_tick_is_not_gone() -> None:
    rows = [
        (0, "household", "h1", True, 5),
        (0, "household", "h1", False, 12),
        (0, "household", "h2", True, 13),
        (0, "household", "h1", True, 19),
        (0, "household", "h1", False, 30),
        (1, "household", "h1", True, 5),
        (1, "household", "h1", False, 12),
        (1, "household", "h1", True, 20),
    ]
    stays = of_kind(stays_of(events_of(rows)), "household")
    found = dict(zip(stays.table.select("code", "group", "start").rows(), stays.gone_at(Grid(10)), strict=True))
    ever = found.pop((1, "h1", 20))
    assert found == {(0, "h1", 5): 40, (0, "h2", 13): 20, (0, "h1", 19): 40, (1, "h1", 5): 20}
    assert ever >= NEVER


Told = tuple[str, str, int]
"""State, group, time."""


def signals_of(rows: Sequence[Told]) -> pl.DataFrame:
    """Return what was told of the household of one subscriber."""
    table = [
        {"code": 0, "time": time, "group_kind": "household", "group": group, "state": state, "role": "owner"}
        | {"confidence": None, "source": "crm", "id": f"{n}"}
        for n, (state, group, time) in enumerate(rows)
    ]
    return pl.DataFrame(table, schema_overrides={"confidence": pl.Float64})


@pytest.mark.parametrize(
    ("calls", "counts"),
    [
        ([[("joined", "h1", 5), ("left", "h1", 20), ("joined", "h2", 20)], []], [0, 0]),
        ([[("joined", "h1", 5), ("joined", "h2", 20)], [], []], [1, 0, 0]),
        ([[("joined", "h1", 5)], [("joined", "h2", 120)], []], [0, 1, 0]),
        ([[("joined", "h1", 5)], [("joined", "h2", 100)], []], [0, 1, 0]),
        ([[("joined", "h1", 5)], [("joined", "h2", 50)], []], [0, 1, 0]),
        ([[("joined", "h1", 5), ("joined", "h1", 20)], []], [0, 0]),
        ([[("joined", "h1", 5), ("left", "h2", 20)], [], []], [1, 0, 0]),
        ([[("left", "h1", 5), ("left", "h1", 6)], []], [2, 0]),
        ([[("joined", "h1", 5), ("left", "h1", 20)], [("left", "h1", 120)], []], [0, 1, 0]),
    ],
    ids=[
        "a move",
        "joins",
        "joins later",
        "on the tick",
        "late",
        "the same",
        "leaves",
        "was never there",
        "left twice",
    ],
)
def test_a_contradiction_is_counted_by_the_call_that_is_told_of_it(calls: list[list[Told]], counts: list[int]) -> None:
    memory, found = ShardState(), []
    for number, rows in enumerate(calls):
        memory.closed = 100 * number or None
        memberships = signals_of(rows) if rows else None
        found.append(identify(memory, memberships, allowed_lateness=1_000, min_confidence=0.0).contradictory)
    assert found == counts


def test_of_a_group_that_is_erased_neither_name_nor_role_is_kept_and_its_end_contradicts_nothing() -> None:
    rows = [("joined", "h1", 5), ("left", "h1", 20), ("joined", "h2", 30)]
    memory = ShardState()
    identify(memory, signals_of(rows), allowed_lateness=1_000, min_confidence=0.0)
    end = {"code": 0, "group_kind": "household", "group": "h1", "joined": False, "since": 90, "time": 90}
    erased = pl.DataFrame([{name: end.get(name) for name in EVENTS}], schema=EVENTS)
    memory.groups[KEPT], memory.closed = pl.concat([memory.groups[KEPT], erased]).sort(ORDER), 90
    assert identify(memory, None, allowed_lateness=1_000, min_confidence=0.0).contradictory == 0
    kept = memory.groups[KEPT]
    assert kept.select("group", "role").rows() == [(None, None), (None, None), ("h2", "owner")]
