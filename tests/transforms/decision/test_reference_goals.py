"""The reference: goals, worked by hand from the specification."""

from dataclasses import replace
from typing import Any

import pytest

from tests.transforms.decision.reference_policy import ALL, HOUR, Cap, Fact, Holdout, Notice, Offer, Policy, too_large
from tests.transforms.decision.reference_words import (
    EVERY,
    FIRST,
    HOME,
    MONDAY,
    PASSED,
    SENT,
    A,
    answers,
    at,
    consent,
    contact,
    decide,
    gate_of,
    goal,
    outcome,
    paused,
)

B, C = ("subscriber", "b"), ("subscriber", "c")
AIMS = replace(A, goal=6 * HOUR)
GOALS = Policy((AIMS,), listed=EVERY)
REACHED = ("blocked", "goal_reached", None)
AT_HOME = {"in_root": HOME, "household": "h"}
OF_HOME = {"subject": "h", "kind": "household", "to": "b"}


@pytest.mark.parametrize(
    ("offer", "given", "told", "expected"),
    [
        (AIMS, {"own_tick": MONDAY + 8 * HOUR}, [goal(9)], REACHED),
        (AIMS, {"own_tick": MONDAY + 8 * HOUR}, [goal(10, time=9)], REACHED),
        (AIMS, {"own_tick": MONDAY + 9 * HOUR}, [goal(9)], PASSED),
        (AIMS, {"own_tick": MONDAY + 9 * HOUR}, [goal(10, time=9)], PASSED),
        (AIMS, {"own_tick": MONDAY + 9 * HOUR}, [goal(11, time=10)], PASSED),
        (AIMS, {}, [goal(9), goal(10)], PASSED),
        (AIMS, {"own_tick": MONDAY}, [goal(9, "b")], PASSED),
        (A, {"own_tick": MONDAY}, [goal(9)], PASSED),
        (replace(AIMS, value=-1.0, least_x=3), {"own_tick": MONDAY}, [goal(9)], REACHED),
        (AIMS, {"own_tick": MONDAY, **AT_HOME}, [goal(9, root=HOME)], REACHED),
        (AIMS, {"own_tick": MONDAY, **AT_HOME}, [goal(9, subject=B, root=HOME)], PASSED),
        (AIMS, {"own_tick": MONDAY, **AT_HOME}, [goal(9, subject=HOME)], PASSED),
        (AIMS, {"own_tick": MONDAY, **OF_HOME}, [goal(9, subject=HOME)], REACHED),
        (AIMS, {"own_tick": MONDAY, **OF_HOME}, [goal(9, subject=B, root=HOME)], REACHED),
        (AIMS, {"own_tick": MONDAY, **OF_HOME}, [goal(9, subject=C, root=HOME)], REACHED),
        (AIMS, {"own_tick": MONDAY, **OF_HOME}, [goal(9, subject=C, root=HOME), too_large(HOME, True, 0)], PASSED),
        (AIMS, {"own_tick": MONDAY, **OF_HOME}, [goal(9, subject=B, root=HOME), too_large(HOME, True, 0)], REACHED),
        (
            AIMS,
            {"own_tick": MONDAY, **OF_HOME, "kind": "sme", "subject": "f", **AT_HOME},
            [goal(9, subject=C, root=HOME)],
            PASSED,
        ),
        (
            AIMS,
            {"own_tick": MONDAY, **OF_HOME, "kind": "sme", "subject": "f", **AT_HOME},
            [goal(9, subject=("sme", "f"), root=HOME)],
            REACHED,
        ),
    ],
)
def test_a_candidate_stops(offer: Offer, given: dict[str, Any], told: list[Fact | Notice], expected: Any) -> None:
    policy = Policy((offer, Offer("z", ("z",), goal=HOUR)))
    assert gate_of("eligibility", policy, at(10, **given), told) == expected


WAITS = replace(AIMS, wait=20 * HOUR)
DONE = ("no_offer", "goal_reached", None)


@pytest.mark.parametrize(
    ("policy", "hours", "told", "expected"),
    [
        pytest.param(
            replace(GOALS, offers=(WAITS,)),
            [1],
            [paused(0), goal(3)],
            [(1, "deferred", "paused", None), (3, *DONE)],
            id="what waits does so no longer",
        ),
        pytest.param(
            replace(GOALS, offers=(WAITS, replace(A, name="b", value=0.1, wait=20 * HOUR))),
            [1],
            [paused(0), goal(3), paused(5, action="resume")],
            [(1, "deferred", "paused", None), (5, "b/app", None, None)],
            id="unless something else can be sent",
        ),
        pytest.param(GOALS, [0, 1, 2, 5, 6], [goal(1)], [SENT, *[DONE] * 3, SENT], id="no second one"),
        pytest.param(GOALS, [0, 1, 2], [goal(2)], [SENT, SENT, DONE], id="up to then there is"),
        pytest.param(GOALS, [0, 5, 6], [goal(6)], [SENT, SENT, DONE], id="the second one counts, too"),
        pytest.param(
            GOALS,
            [0, 4, 5],
            [goal(5, time=4)],
            [SENT, SENT, DONE],
            id="what comes late acts late; of the second it is not, and the third one is not made since the first was",
        ),
        pytest.param(GOALS, [1, 2], [goal(2, time=1)], [SENT, SENT], id="what came before is no fruit"),
        pytest.param(GOALS, [0, 1], [goal(7, time=7)], [SENT, SENT], id="nor is what comes too late"),
        pytest.param(
            GOALS,
            [0, 2],
            [contact(1, FIRST, "failed"), goal(2)],
            [SENT, DONE],
            id="whether the first one came or failed",
        ),
        pytest.param(
            replace(GOALS, holdouts=(Holdout("all", 1.0),)),
            [0, 2],
            [goal(2)],
            [("holdout", None, None), DONE],
            id="of who was held out, too",
        ),
        pytest.param(
            replace(GOALS, offers=(replace(AIMS, cooldown=9 * HOUR),)),
            [0, 2, 7, 9],
            [goal(2)],
            [SENT, DONE, ("no_offer", "cooldown", None), SENT],
            id="it comes before other cooldowns",
        ),
        pytest.param(
            replace(GOALS, offers=(replace(AIMS, wait=9 * HOUR),)),
            [0, 2],
            [goal(2)],
            [SENT, ("deferred", "goal_reached", 6), SENT],
            id="and may be waited for",
        ),
        pytest.param(
            replace(GOALS, offers=(AIMS, Offer("b", value=0.9)), caps=(Cap(9, "day"),)),
            [0, 2],
            [goal(2)],
            [SENT, ("b/app", None, None)],
            id="another one may be made",
        ),
    ],
)
def test_what_is_made_where_goals_are_reached(
    policy: Policy, hours: list[int], told: list[Notice], expected: list[Any]
) -> None:
    made = [one for one in answers(policy, at(*hours), told) if one[1] != "withdrawn"]
    assert [one[4 - len(wanted) :] for one, wanted in zip(made, expected, strict=True)] == expected


LONG = replace(AIMS, valid_for=9 * HOUR)
BOTH = Policy((LONG, replace(A, name="b", value=0.1, goal=HOUR, goal_signal="usage")))


@pytest.mark.parametrize(
    ("policy", "given", "told", "expected"),
    [
        (Policy((LONG,)), {}, [goal(3)], [(3, "goal_reached")]),
        (Policy((LONG,)), {}, [goal(5, time=3)], [(5, "goal_reached")]),
        (Policy((LONG,)), {}, [goal(5, time=0)], []),
        (Policy((LONG,)), {}, [goal(9)], []),
        (Policy((AIMS,)), {}, [goal(1)], []),
        (Policy((replace(LONG, goal=HOUR),)), {}, [goal(8)], [(8, "goal_reached")]),
        (Policy((LONG, Offer("b", value=0.1, goal=HOUR))), {}, [goal(3, "b")], [(3, "goal_reached")]),
        (Policy((LONG, Offer("b", value=0.1))), {}, [goal(3, "b")], []),
        (Policy((LONG, Offer("b", value=0.1, goal=HOUR, family="g"))), {}, [goal(3, "b")], []),
        (Policy((LONG,), listed=EVERY), {}, [outcome(2, FIRST, "accepted"), goal(3)], []),
        (Policy((LONG,), listed=EVERY), {}, [outcome(3, FIRST, "accepted"), goal(3)], []),
        (Policy((LONG,), listed=EVERY), {}, [outcome(2, FIRST, "ignored"), goal(3)], [(3, "goal_reached")]),
        (Policy((LONG,), listed=EVERY), {}, [paused(3), goal(3)], [(3, "paused")]),
        (Policy((LONG,), listed=EVERY), {}, [goal(2), paused(3), goal(3)], [(2, "goal_reached")]),
        (
            Policy((LONG,), listed=EVERY, bases={"marketing": "opt_in"}),
            {},
            [consent(0, "granted"), consent(3, "withdrawn"), goal(3)],
            [(3, "no_consent")],
        ),
        (Policy((LONG,)), AT_HOME, [goal(3, root=HOME)], [(3, "goal_reached")]),
        (Policy((LONG,)), AT_HOME, [goal(3, subject=B, root=HOME)], []),
        (Policy((LONG,)), OF_HOME, [goal(3, subject=C, root=HOME)], [(3, "goal_reached")]),
        (Policy((LONG,), holdouts=(Holdout("all", 1.0),)), {}, [goal(3)], []),
    ],
)
def test_kin_are_withdrawn(
    policy: Policy, given: dict[str, Any], told: list[Notice], expected: list[tuple[int, str]]
) -> None:
    made = answers(policy, at(0, **given), told)
    assert [(hour, reason) for hour, what, reason, _ in made if what == "withdrawn"] == expected


@pytest.mark.parametrize(
    ("policy", "told", "expected"),
    [
        (BOTH, [goal(3, id="g")], ("order", "g", 3)),
        (BOTH, [goal(3, "b", id="g")], ("usage", "g", 3)),
        (BOTH, [goal(3, "b", id="y"), goal(3, id="x")], ("order", "x", 3)),
        (BOTH, [goal(5, time=4, id="x"), goal(5, "b", time=3, id="y")], ("usage", "y", 3)),
        (BOTH, [goal(5, time=0, id="x"), goal(5, "b", time=3, id="y")], ("usage", "y", 3)),
        (replace(BOTH, listed=EVERY), [paused(3, id="p"), goal(3)], ("control", "p", 3)),
        (replace(BOTH, listed=EVERY), [paused(3, id="p"), paused(3, ALL, id="a")], ("control", "a", 3)),
        (
            replace(BOTH, listed=EVERY, bases={"marketing": "opt_in"}),
            [consent(0, "granted"), consent(3, "withdrawn", id="w"), goal(3)],
            ("consent", "w", 3),
        ),
        (
            replace(BOTH, listed=EVERY, bases={"marketing": "opt_in"}),
            [consent(0, "granted", id="g", valid_until=MONDAY + 3 * HOUR), goal(3)],
            ("consent", "g", 0),
        ),
        (replace(BOTH, inbound_first={"marketing": 3 * HOUR}), [], (None, None, 3)),
    ],
)
def test_a_withdrawal_names_its_cause(policy: Policy, told: list[Notice], expected: tuple[Any, ...]) -> None:
    made = [one for one in decide(policy, at(0), told) if one["action"] == "withdrawn"]
    signal, name, hour = expected
    assert [one["cause"] for one in made] == [(signal, name, MONDAY + hour * HOUR - (signal is not None))]
    assert {one["cause"] for one in decide(policy, at(0), told) if one["action"] != "withdrawn"} == {None}
