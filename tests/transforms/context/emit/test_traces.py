"""The trace of a trigger is that of the latest of its subject's signals that act at its tick and bear one."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pyarrow as pa
import pytest

from schemas.contracts import contract
from schemas.playbook_file import parse_playbook
from schemas.versions import Versions
from transforms.compiler.load import load_plans
from transforms.context.advance import advance
from transforms.parsing.batches import signal_schema
from transforms.shell.versions import load_contexts

MINUTE = 60_000
BOOK = parse_playbook("""
playbook: traced
version: 1
tick: 1m
signals: [usage, membership]
subscriber:
  features: {mb: {sum: mb, from: usage, window: 10m}}
  segments: {heavy: {describe: Uses much, enter: mb > 10}}
household:
  features:
    mb: {sum: mb, from: usage, window: 10m}
    most: {max: mb, from: members}
  moments: {busy: {when: mb > 10}, calm: {when: most = 0}}
sme:
  features:
    few: {count: any, from: members, where: mb > 10}
  moments: {active: {when: few >= 1}}
offers:
  more: {for: subscriber.heavy, family: data, owner: x, value: 1, send: [app], valid_for: 1h}
  less: {for: subscriber.heavy.exited, family: data, owner: x, value: 1, send: [app], valid_for: 1h}
  home: {for: household.busy, family: data, owner: x, value: 1, send: [app], valid_for: 1h}
  rest: {for: household.calm, family: data, owner: x, value: 1, send: [app], valid_for: 1h}
  firm: {for: sme.active, family: data, owner: x, value: 1, send: [app], valid_for: 1h}
priors: {data: 0.1}
""")
PLAN = load_plans(BOOK)["subscriber"]
Row = tuple[str, int, float, str | None]
"""Id, seconds, MB, trace."""


def usage(*rows: Row, traced: bool = True) -> pa.RecordBatch:
    schema = signal_schema(contract("usage"), "subscriber", ("mb",))
    if traced:
        schema = schema.append(pa.field("traceparent", pa.string()))
    given = [
        {"id": id_, "source": "s", "time": 1000 * second, "subject": "anna", "mb": mb, "traceparent": trace}
        for id_, second, mb, trace in rows
    ]
    return pa.RecordBatch.from_pylist([{name: row[name] for name in schema.names} for row in given], schema)


def triggers(*calls: tuple[Sequence[pa.RecordBatch], int]) -> list[tuple[str, int, str | None]]:
    state, found = None, []
    for batches, minutes in calls:
        made = advance(PLAN, state, batches, minutes * MINUTE)
        state = made.dump()
        found += made.outputs.triggers.select(["trigger", "tick", "traceparent"]).to_pylist()
    return [(row["trigger"], row["tick"] // MINUTE, row["traceparent"]) for row in found]


@pytest.mark.parametrize(
    ("rows", "trace"),
    [
        ([("1", 5, 20.0, "a")], "a"),
        ([("1", 5, 20.0, None)], None),
        ([("1", 5, 5.0, "a"), ("2", 6, 9.0, "b")], "b"),
        ([("1", 5, 5.0, "a"), ("2", 6, 9.0, None)], "a"),  # the latest that bears one
        ([("1", 5, 5.0, "b"), ("2", 5, 9.0, "a")], "b"),
        ([("1", 5, 20.0, "a"), ("1", 5, 20.0, "b")], "a"),  # copies
    ],
)
def test_which_of_several(rows: list[Row], trace: str | None) -> None:
    for order in permutations(rows):
        assert triggers(([usage(*order)], 1)) == [("subscriber.heavy", 1, trace)]
        assert triggers(([usage(row) for row in order], 1)) == [("subscriber.heavy", 1, trace)]


def test_what_time_brings_about_has_none_however_calls_are_cut() -> None:
    rows, other = usage(("1", 5, 20.0, "a")), usage(("2", 300, 0.0, "c"))
    expected = [("subscriber.heavy", 1, "a"), ("subscriber.heavy.exited", 11, None)]
    assert triggers(([rows, other], 15)) == triggers(([rows], 1), ([other], 6), ([], 11), ([], 15)) == expected


def test_what_waits_or_is_late_keeps_its_trace_for_the_tick_at_which_it_acts() -> None:
    first, second = usage(("1", 5, 5.0, None), traced=False), usage(("2", 100, 9.0, "b"))
    assert triggers(([first, second], 2)) == [("subscriber.heavy", 2, "b")]
    assert triggers(([first], 3), ([second], 4)) == []  # late: no trigger
    state = advance(PLAN, None, [first], 3 * MINUTE).dump()
    both = [usage(("2", 100, 1.0, "late")), usage(("3", 180, 9.0, None))]
    assert advance(PLAN, state, both, 4 * MINUTE).ingested.traces[0].rows() == [(0, 100_000, 100_000, "late")]


def told(kind: str, *rows: Row, whole: bool = True) -> list[tuple[str, int, str | None]]:
    """Return the triggers of a group whose only member has signals; in one call or in one a minute."""
    plans = load_contexts(Versions((BOOK,)))
    schema = signal_schema(contract("membership"), "subscriber", plans.columns["membership"])
    joined: dict[str, Any] = {"id": "m", "source": "s", "time": 0, "subject": "anna", "state": "joined"}
    joined |= {"group_kind": kind, "group": "home", "role": "primary"}
    member = pa.RecordBatch.from_pylist([{name: joined.get(name) for name in schema.names}], schema)
    mine: Any = None
    groups: Any = None
    signals, found, closed = [member, usage(*rows)], [], None
    for tick in (15 * MINUTE,) if whole else range(MINUTE, 16 * MINUTE, MINUTE):
        members = plans.advance(("subscriber",), mine, closed, signals, tick)
        forwarded = [batch for one in members.every for batch in one.forwarded]
        group = plans.advance((kind,), groups, closed, forwarded, tick)
        mine, groups, signals, closed = members.dump(), group.dump(), members.waiting, tick
        found += [row for one in group.every for row in one.outputs.triggers.to_pylist()]
    return [(row["trigger"], row["tick"] // MINUTE, row["traceparent"]) for row in found]


@pytest.mark.parametrize("whole", [True, False])
def test_a_members_signal_brings_its_trace_to_the_household(whole: bool) -> None:
    assert told("household", ("1", 65, 20.0, "a"), whole=whole)[-2:-1] == [("household.busy", 2, "a")]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("rows", "trace"),
    [
        ([("1", 65, 20.0, "a")], "a"),
        ([("1", 65, 20.0, None)], None),
        ([("1", 65, 20.0, "b"), ("2", 70, 1.0, "a")], "a"),  # what is told of a member is as old as its signal
        ([("1", 5, 1.0, "b"), ("2", 65, 20.0, None)], None),
    ],
)
def test_what_a_group_learns_of_a_member_bears_the_trace_of_its_signal(
    rows: list[Row], trace: str | None, whole: bool
) -> None:
    assert told("sme", *rows, whole=whole) == [("sme.active", 2, trace)]


def test_what_time_does_to_a_member_brings_a_group_no_trace() -> None:
    assert told("household", ("1", 65, 20.0, "a"), ("2", 300, 0.0, "c"))[-1] == ("household.calm", 12, None)
