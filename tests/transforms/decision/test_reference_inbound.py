"""The reference: own channels first, worked by hand from the specification."""

from dataclasses import replace
from typing import Any

import pytest

from tests.transforms.decision.reference_policy import (
    DAY,
    HOUR,
    INBOUND,
    Cap,
    Fact,
    Holdout,
    Notice,
    Offer,
    Policy,
    Trigger,
)
from tests.transforms.decision.reference_words import (
    EVERY,
    FIRST,
    MONDAY,
    NIGHT,
    PASSED,
    A,
    answers,
    at,
    contact,
    decide,
    fact,
    gate_of,
    goal,
    outcome,
    paused,
    profile,
)

LONG = replace(A, valid_for=9 * HOUR)
FIRST_3 = Policy((LONG,), listed=EVERY, inbound_first={"marketing": 3 * HOUR})
SHOWN, PUSHED = ("a/inbound", None, None), ("a/app", None, None)
OVER, CAME = ("withdrawn", "expired", None), ("no_offer", "came_in", None)
SECOND = at(0)[0].id(1)


@pytest.mark.parametrize(
    ("policy", "triggers", "told", "expected"),
    [
        pytest.param(FIRST_3, at(0), [], [(0, *SHOWN), (3, *OVER), (3, *PUSHED)], id="who has not come is pushed"),
        pytest.param(
            FIRST_3, at(0), [contact(3, FIRST, "seen")], [(0, *SHOWN), (3, *OVER), (3, *CAME)], id="who came is not"
        ),
        pytest.param(
            FIRST_3, at(0), [outcome(2, FIRST, "accepted")], [(0, *SHOWN), (3, *CAME)], id="what is settled is out"
        ),
        pytest.param(
            FIRST_3, at(0), [contact(2, FIRST, "failed")], [(0, *SHOWN), (3, *PUSHED)], id="nobody came where it failed"
        ),
        pytest.param(
            FIRST_3,
            at(0),
            [contact(1, FIRST, "seen"), contact(2, FIRST, "failed")],
            [(0, *SHOWN), (3, *CAME)],
            id="who came before that did come",
        ),
        pytest.param(
            FIRST_3, at(0), [contact(4, FIRST, "seen")], [(0, *SHOWN), (3, *OVER), (3, *PUSHED)], id="who comes later"
        ),
        pytest.param(
            replace(FIRST_3, inbound_first={"marketing": 9 * HOUR}),
            at(0),
            [],
            [(0, *SHOWN), (9, *OVER)],
            id="nothing is left to push",
        ),
        pytest.param(
            replace(FIRST_3, inbound_first={"marketing": DAY}),
            at(0),
            [],
            [(0, *SHOWN), (9, *OVER)],
            id="valid_for at most",
        ),
        pytest.param(
            replace(FIRST_3, inbound_first={"care": HOUR}), at(0), [], [(0, *PUSHED)], id="only what is of that purpose"
        ),
        pytest.param(
            FIRST_3,
            at(0),
            [paused(1), paused(2, action="resume")],
            [(0, *SHOWN), (1, "withdrawn", "paused", None), (3, *PUSHED)],
            id="what is withdrawn is so once",
        ),
        pytest.param(
            FIRST_3,
            at(0),
            [paused(3)],
            [(0, *SHOWN), (3, *OVER), (3, "no_offer", "paused", None)],
            id="it is answered as any trigger",
        ),
        pytest.param(
            replace(FIRST_3, offers=(replace(LONG, wait=6 * HOUR),)),
            at(0),
            [paused(3), paused(4), paused(5, action="resume"), paused(0, scope="offer", target="z")],
            [(0, *SHOWN), (3, *OVER), (3, "deferred", "paused", None), (5, *PUSHED)],
            id="it may wait",
        ),
        pytest.param(
            replace(FIRST_3, offers=(replace(LONG, wait=5 * HOUR),)),
            at(0),
            [paused(3)],
            [(0, *SHOWN), (3, *OVER), (3, "deferred", "paused", None), (5, "no_offer", "paused", None)],
            id="up to a deadline that counts from its own tick",
        ),
        pytest.param(
            replace(FIRST_3, offers=(replace(LONG, wait=5 * HOUR),)),
            at(1),
            [paused(0), paused(2, action="resume")],
            [(1, "deferred", "paused", None), (2, *SHOWN), (5, *OVER), (5, *PUSHED)],
            id="what waited is shown first, too",
        ),
        pytest.param(
            replace(FIRST_3, max_decision_age=HOUR),
            at(0),
            [],
            [(0, *SHOWN), (3, *OVER), (3, *PUSHED)],
            id="it is not stale",
        ),
        pytest.param(
            replace(FIRST_3, holdouts=(Holdout("all", 1.0),)),
            at(0),
            [],
            [(0, "holdout", None, None), (3, "holdout", None, None)],
            id="who is held out is so twice, and nothing is withdrawn",
        ),
        pytest.param(
            replace(FIRST_3, caps=(Cap(1, DAY),)),
            at(0, 1, 4),
            [],
            [
                (0, *SHOWN),
                (1, "no_offer", "cap_0", None),
                (3, *OVER),
                (3, *PUSHED),
                (4, "no_offer", "cap_0", None),
            ],
            id="it reserves, and is released",
        ),
        pytest.param(
            replace(FIRST_3, caps=(Cap(1, DAY),), contacts_reported_within=HOUR, on_silence="release"),
            at(0, 2),
            [],
            [(0, *SHOWN), (2, "no_offer", "cap_0", None), (3, *OVER), (3, *PUSHED)],
            id="silence releases at that tick alone",
        ),
        pytest.param(
            replace(FIRST_3, caps=(Cap(1, DAY, channel=INBOUND),)),
            at(0, 1),
            [contact(1, FIRST, "seen")],
            [(0, *SHOWN), (1, *PUSHED), (3, *OVER), (3, *CAME)],
            id="a cap of own channels",
        ),
        pytest.param(
            replace(FIRST_3, offers=(replace(LONG, goal=HOUR),)),
            at(0),
            [goal(2)],
            [(0, *SHOWN), (2, "withdrawn", "goal_reached", None), (3, "no_offer", "goal_reached", None)],
            id="a goal",
        ),
    ],
)
def test_own_channels_first(
    policy: Policy, triggers: list[Trigger], told: list[Notice], expected: list[tuple[Any, ...]]
) -> None:
    assert sorted(answers(policy, triggers, told), key=repr) == sorted(expected, key=repr)


KIN = replace(FIRST_3, offers=(replace(LONG, wait=6 * HOUR), Offer("b", ("z",), goal=HOUR)))
GONE, DONE = ("withdrawn", "goal_reached", None), ("no_offer", "goal_reached", None)


@pytest.mark.parametrize(
    ("policy", "told", "expected"),
    [
        pytest.param(KIN, [goal(2, "b")], [(0, *SHOWN), (2, *GONE), (3, *DONE)], id="kin is pushed no more"),
        pytest.param(KIN, [goal(3, "b")], [(0, *SHOWN), (3, *OVER), (3, *DONE)], id="up to the last tick"),
        pytest.param(KIN, [goal(2, "b", time=0)], [(0, *SHOWN), (3, *OVER), (3, *PUSHED)], id="what was before is not"),
        pytest.param(
            replace(KIN, offers=(*KIN.offers[:1], replace(KIN.offers[1], family="g"))),
            [goal(2, "b")],
            [(0, *SHOWN), (3, *OVER), (3, *PUSHED)],
            id="of another family",
        ),
        pytest.param(
            KIN,
            [paused(3), goal(4, "b"), paused(5, action="resume")],
            [(0, *SHOWN), (3, *OVER), (3, "deferred", "paused", None), (4, *DONE)],
            id="nor after it waited",
        ),
        pytest.param(
            KIN,
            [goal(1, "b", subject=("subscriber", "x"), root=("subscriber", "s"))],
            [(0, *SHOWN), (3, *OVER), (3, *PUSHED)],
            id="of others it does not matter",
        ),
    ],
)
def test_kin_is_not_pushed_after_own_channels(
    policy: Policy, told: list[Notice], expected: list[tuple[Any, ...]]
) -> None:
    assert sorted(answers(policy, at(0), told), key=repr) == sorted(expected, key=repr)


ENTERED = replace(FIRST_3, offers=(replace(LONG, triggers=("subscriber.g",)),), segments=frozenset({"subscriber.g"}))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([fact(0), fact(2, False)], [(0, *SHOWN), (2, "no_offer", "segment_exited", None), (3, *OVER)]),
        ([fact(0), fact(3, False)], [(0, *SHOWN), (3, *OVER), (3, "no_offer", "segment_exited", None)]),
        ([fact(0), fact(4, False)], [(0, *SHOWN), (3, *OVER), (3, *PUSHED)]),
        (
            [fact(0), fact(2, False), contact(1, at(0, trigger="subscriber.g")[0].id(), "seen")],
            [(0, *SHOWN), (2, "no_offer", "segment_exited", None), (3, *OVER)],
        ),
        ([fact(0), fact(2, segment="subscriber.@moved")], [(0, *SHOWN), (2, "no_offer", "moved", None), (3, *OVER)]),
    ],
)
def test_an_exit_cancels_what_would_be_pushed(told: list[Fact | Notice], expected: list[tuple[Any, ...]]) -> None:
    made = answers(ENTERED, at(0, trigger="subscriber.g"), told)
    assert sorted(made, key=repr) == sorted(expected, key=repr)


QUIET = replace(FIRST_3, quiet=NIGHT)
NAMES = replace(FIRST_3, quiet={**NIGHT, INBOUND: ((600, 660),)})


@pytest.mark.parametrize(
    ("gate", "policy", "hour", "told", "expected"),
    [
        ("channel", FIRST_3, 10, [profile(9, "sms")], PASSED),
        ("quiet", QUIET, 7, [], PASSED),
        ("quiet", QUIET, 7, [profile(0, zone="Mars/Olympus")], PASSED),
        ("quiet", NAMES, 9, [], PASSED),
        ("quiet", NAMES, 7, [], ("deferred", "quiet", 8)),
        ("quiet", NAMES, 10, [], ("deferred", "quiet", 11)),
        ("quiet", NAMES, 9, [profile(0, zone="Mars/Olympus")], ("blocked", "unknown_zone", None)),
        ("paused", FIRST_3, 9, [paused(0, scope="channel", target=INBOUND)], ("blocked", "paused", None)),
    ],
)
def test_gates(gate: str, policy: Policy, hour: int, told: list[Notice], expected: tuple[Any, ...]) -> None:
    shown = replace(policy, offers=(replace(LONG, send=()),))
    assert gate_of(gate, shown, at(hour), told) == expected


def test_a_record_tells_how_long_it_is_valid() -> None:
    policy = replace(FIRST_3, says=frozenset({"valid_until"}))
    shown, over, pushed = sorted(decide(policy, at(0)), key=lambda one: (one["n"], one["tick"]))
    assert (shown["valid_until"], over["valid_until"], pushed["valid_until"]) == (
        MONDAY + 3 * HOUR,
        None,
        MONDAY + 12 * HOUR,
    )
    assert [one["decision_id"] for one in (shown, over, pushed)] == [FIRST, FIRST, SECOND]
    assert [channel for _, channel, *_ in shown["candidates"]] == ["inbound", "app"]
    assert [channel for _, channel, *_ in pushed["candidates"]] == ["app"]
