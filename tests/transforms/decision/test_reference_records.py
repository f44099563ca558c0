"""The reference: what records say, worked by hand from the specification."""

from dataclasses import replace
from typing import Any

import pytest

from tests.transforms.decision.reference_policy import ALL, DAY, HOUR, Cap, Notice, Offer, Policy
from tests.transforms.decision.reference_words import (
    EVERY,
    FIRST,
    HOME,
    MONDAY,
    OPT_IN,
    A,
    S,
    at,
    consent,
    contact,
    decide,
    fact,
    goal,
    outcome,
    paused,
    profile,
    ticket,
)

SAYS = frozenset({"sequence", "read", "zone", "channels", "consents", "others"})
TELLS = Policy((A,), listed=EVERY, says=SAYS)
ASKS = replace(TELLS, bases=OPT_IN)
AIMS = replace(TELLS, offers=(replace(A, goal=6 * HOUR),))


def time(hour: int) -> int:
    """Return the time of a notice that acts at an hour."""
    return MONDAY + hour * HOUR - 1


@pytest.mark.parametrize(
    ("gate", "policy", "hours", "told", "expected"),
    [
        ("paused", TELLS, [5], [], None),
        ("paused", TELLS, [5], [paused(3, id="x"), paused(2, ALL, id="y")], ("y", time(2))),
        ("paused", TELLS, [5], [paused(3, id="x"), paused(3, ALL, id="a")], ("a", time(3))),
        ("paused", TELLS, [5], [paused(2, scope="offer", target="z"), paused(3, id="x")], ("x", time(3))),
        ("paused", TELLS, [5], [paused(2, id="a"), paused(4, id="b")], ("b", time(4))),
        ("consent", ASKS, [5], [], None),
        ("consent", ASKS, [5], [consent(1, "granted")], None),
        ("consent", ASKS, [5], [consent(1, "granted"), consent(3, "withdrawn", id="w")], ("w", time(3))),
        ("consent", ASKS, [5], [consent(1, "granted", id="g", valid_until=MONDAY)], ("g", time(1))),
        (
            "ticket",
            replace(TELLS, no_sales=2),
            [5],
            [ticket(3, "open", id="b"), ticket(2, "open", name="2", id="c"), ticket(1, "open", 3, "3")],
            ("c", time(2)),
        ),
        ("eligibility", replace(TELLS, offers=(replace(A, least_x=3),)), [5], [], None),
        ("cooldown", replace(TELLS, offers=(replace(A, cooldown=DAY),)), [0, 5], [], (FIRST, MONDAY)),
        ("cooldown", AIMS, [0, 5], [goal(3, id="y"), goal(2, id="x")], ("x", time(2))),
        ("caps", replace(TELLS, caps=(Cap(1, DAY),)), [0, 5], [], (FIRST, MONDAY)),
        ("caps", replace(TELLS, caps=(Cap(2, DAY),)), [0, 1, 5], [], (FIRST, MONDAY)),
        (
            "caps",
            replace(TELLS, caps=(Cap(1, DAY),)),
            [0, 5],
            [contact(2, None, "sent", id="c"), contact(3, "unknown", "sent", id="d")],
            ("d", time(3)),
        ),
        ("caps", replace(TELLS, caps=(Cap(0, DAY),)), [0], [], None),
        ("caps", replace(TELLS, caps=(Cap(9, DAY), Cap(1, "day"), Cap(1, "week"))), [0, 5], [], (FIRST, MONDAY)),
        ("caps", replace(TELLS, caps=(Cap(1, "day"),)), [5], [profile(zone="Mars")], None),
        ("quiet", replace(TELLS, quiet={"all": "all"}), [5], [], None),
    ],
)
def test_what_gates_read(gate: str, policy: Policy, hours: list[int], told: list[Notice], expected: Any) -> None:
    last = decide(policy, at(*hours), told)[-1]
    gates = {name: read for name, _, _, _, read in last["candidates"][0][3]}
    assert gates[gate] == expected
    assert {read for name, result, _, _, read in last["candidates"][0][3] if result == "passed"} <= {None}


def test_a_goal_is_read_where_a_candidate_stops() -> None:
    told = [goal(9, id="b"), goal(8, id="a"), goal(3, id="before")]
    last = decide(AIMS, at(10, own_tick=MONDAY + 5 * HOUR), told)[0]
    gates = {name: (reason, read) for name, _, reason, _, read in last["candidates"][0][3]}
    assert gates["eligibility"] == ("goal_reached", ("a", time(8)))


def test_records_are_numbered_by_root() -> None:
    policy = replace(TELLS, offers=(replace(A, valid_for=DAY),))
    triggers = [*at(0, 5, 9), *at(5, subject="b"), *at(5, subject="c", in_root=S), *at(9, subject="d", in_root=HOME)]
    made = decide(policy, triggers, [paused(7)])
    found = [(one["root"], one["sequence"], one["action"]) for one in made]
    mine = [(number, action) for root, number, action in found if root == S]
    assert [number for number, _ in mine] == [1, 2, 3, 4, 5, 6]
    assert sum(action == "withdrawn" for _, action in mine) == 2
    assert [(root, number) for root, number, _ in found if root != S] == [(("subscriber", "b"), 1), (HOME, 1)]


def test_what_is_known_of_recipients() -> None:
    told = [
        profile(1, "sms  app", "Mars"),
        consent(1, "granted"),
        consent(2, "withdrawn", channel="app", valid_until=MONDAY),
        consent(2, "granted", purpose="care"),
        consent(6, "granted", channel="sms"),
    ]
    made = decide(TELLS, at(5), told)[0]
    assert (made["zone"], made["channels"]) == ("Mars", "sms  app")
    assert made["consents"] == [
        ("care", None, "granted", None),
        ("marketing", None, "granted", None),
        ("marketing", "app", "withdrawn", MONDAY),
    ]
    assert (made := decide(TELLS, at(0), told)[0])["zone"] is made["channels"] is None
    assert made["consents"] == []


def test_withdrawals_know_nothing_of_recipients() -> None:
    long = replace(TELLS, offers=(replace(A, valid_for=DAY),))
    _, gone = decide(long, at(2), [profile(1, "app", "Mars"), consent(1, "granted"), paused(3)])
    assert (gone["action"], gone["zone"], gone["channels"], gone["consents"]) == ("withdrawn", None, None, [])


def test_beyond_32_candidates_are_counted() -> None:
    offers = [Offer(f"o{number:02}", value=50.0 - number, send=("app", "sms")) for number in range(20)]
    offers[17] = replace(offers[17], least_x=3)
    offers[18] = replace(offers[18], wait=5 * HOUR, cooldown=2 * HOUR)
    offers[16] = replace(offers[16], send=("push",))
    made = decide(replace(TELLS, offers=tuple(offers)), at(1), [profile(0, "app sms")])[0]
    assert len(made["candidates"]) == 32
    assert made["others"] == [(None, 4), ("no_channel", 1), ("not_eligible", 2)]
    none = decide(TELLS, at(0), [])[0]
    assert none["others"] == []


def test_what_is_counted_is_shut_by_what_blocks_first() -> None:
    offers = tuple(replace(A, name=f"o{number:02}", value=50.0 - number, wait=5 * HOUR) for number in range(33))
    policy = replace(TELLS, offers=offers)
    assert decide(policy, at(1), [paused(0)])[0]["others"] == [("paused", 1)]
    blocked = replace(policy, offers=(*offers[:32], replace(offers[32], at_a_loss=False, value=-1.0)))
    assert decide(blocked, at(1), [paused(0)])[0]["others"] == [("below_zero", 1)]


def test_nobody_is_known_where_nobody_is_reached() -> None:
    made = decide(
        TELLS,
        at(1, subject="h", kind="household"),
        [profile(0, "app", root=HOME, subject=S), outcome(0, None, "x"), fact(0)],
    )[0]
    assert (made["reason"], made["zone"], made["consents"], made["others"]) == ("no_recipient", None, [], [])
