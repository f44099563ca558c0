"""The reference: erasures, worked by hand from the specification."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.transforms.decision.reference import Reference
from tests.transforms.decision.reference_erasure import Erasure
from tests.transforms.decision.reference_policy import DAY, HOUR, INBOUND, Cap, Fact, Notice, Policy, Root, Trigger
from tests.transforms.decision.reference_words import (
    CAPPED,
    COOLED,
    EVERY,
    FIRST,
    HOME,
    MONDAY,
    SENT,
    A,
    S,
    at,
    contact,
    fact,
    goal,
    hour_of,
    outcome,
    paused,
)

ANNA, BEN = ({"subject": name, "in_root": HOME, "household": "h"} for name in ("anna", "ben"))
WHO = ("subscriber", "anna")
LONG = Policy((replace(A, valid_for=9 * HOUR),), listed=EVERY)
COOLS = Policy((replace(A, cooldown=9 * HOUR),), listed=EVERY)
WAITS = Policy((replace(A, wait=9 * HOUR),), listed=EVERY)
SHOWN = replace(LONG, inbound_first={"marketing": 3 * HOUR})
SILENT = replace(LONG, caps=(Cap(1, DAY, per="household"),), contacts_reported_within=3 * HOUR, on_silence="release")
ERASED = ("withdrawn", "erased", None)


def decided(
    policy: Policy, triggers: list[Trigger], told: Iterable[Fact | Notice], erased: Iterable[tuple[int, Root]]
) -> list[dict[str, Any]]:
    told, erasures = list(told), [Erasure(MONDAY + hour * HOUR, who) for hour, who in erased]
    facts = [one for one in told if isinstance(one, Fact)]
    notices = [one for one in told if isinstance(one, Notice)]
    return Reference(policy, erasures=erasures).decide(triggers, facts, notices, MONDAY + 60 * DAY)


@pytest.mark.parametrize(
    ("policy", "triggers", "told", "erased", "expected"),
    [
        pytest.param(COOLS, at(0, 1, 3), [], (2, S), [(0, *SENT), (1, *COOLED), (3, *SENT)], id="the own ledger goes"),
        pytest.param(COOLS, at(0, 2), [], (2, S), [(0, *SENT), (2, *SENT)], id="before all else of its tick"),
        pytest.param(COOLS, at(0, 2), [], (1, ("sme", "s")), [(0, *SENT), (2, *COOLED)], id="of that kind"),
        pytest.param(LONG, at(0), [], (2, S), [(0, *SENT), (2, *ERASED)], id="what is valid is withdrawn"),
        pytest.param(LONG, at(0), [], (9, S), [(0, *SENT)], id="not what has lapsed"),
        pytest.param(LONG, at(0), [outcome(1, FIRST, "accepted")], (2, S), [(0, *SENT)], id="nor what is settled"),
        pytest.param(
            LONG,
            at(0),
            [paused(1)],
            (2, S),
            [(0, *SENT), (1, "withdrawn", "paused", None)],
            id="nor what is withdrawn",
        ),
        pytest.param(
            replace(LONG, caps=(Cap(1, DAY, per="household"),)),
            [*at(0, **ANNA), *at(4, **BEN)],
            [],
            (2, WHO),
            [(0, *SENT), (2, *ERASED), (4, *CAPPED)],
            id="what others did counts in a household",
        ),
        pytest.param(
            replace(LONG, caps=(Cap(1, DAY),)),
            [*at(0, 4, **ANNA)],
            [],
            (2, WHO),
            [(0, *SENT), (2, *ERASED), (4, *SENT)],
            id="but not for somebody who has no name",
        ),
        pytest.param(
            replace(
                LONG, caps=(Cap(1, DAY, per="household"),), contacts_reported_within=3 * HOUR, on_silence="release"
            ),
            [*at(0, **ANNA), *at(3, **BEN)],
            [],
            (2, WHO),
            [(0, *SENT), (2, *ERASED), (3, *SENT)],
            id="silence releases it as any",
        ),
        pytest.param(
            replace(
                LONG, caps=(Cap(1, DAY, per="household"),), contacts_reported_within=3 * HOUR, on_silence="release"
            ),
            [*at(0, **ANNA), *at(3, **BEN)],
            [contact(1, at(0, **ANNA)[0].id(), "sent", HOME)],
            (2, WHO),
            [(0, *SENT), (2, *ERASED), (3, *CAPPED)],
            id="not what was reported",
        ),
        pytest.param(
            COOLS,
            [*at(0, 4, subject="h", kind="household", to="anna")],
            [],
            (2, WHO),
            [(0, *SENT), (4, *COOLED)],
            id="what was made for a household is so",
        ),
        pytest.param(
            LONG,
            [*at(0, subject="h", kind="household", to="ben")],
            [],
            (2, WHO),
            [(0, *SENT)],
            id="others keep theirs",
        ),
        pytest.param(
            WAITS,
            at(1),
            [paused(0), paused(5, action="resume")],
            (3, S),
            [(1, "deferred", "paused", None)],
            id="what waits is forgotten",
        ),
        pytest.param(
            LONG, at(4), [paused(0)], (3, S), [(4, *SENT)], id="and what was told, but not what is told from then on"
        ),
        pytest.param(
            LONG, at(4), [paused(3)], (3, S), [(4, "no_offer", "paused", None)], id="what is told at its tick counts"
        ),
        pytest.param(
            Policy((replace(A, only="subscriber.g"),)),
            at(2, 4, kind="household", subject="h", to="s"),
            [fact(1), Fact(HOME, "subscriber.g", "s", True, MONDAY)],
            (3, S),
            [(2, *SENT), (4, "no_offer", "not_eligible", None)],
            id="memberships go",
        ),
        pytest.param(
            SHOWN, at(0), [], (2, S), [(0, f"a/{INBOUND}", None, None), (2, *ERASED)], id="nothing is pushed any more"
        ),
        pytest.param(
            SHOWN,
            at(0),
            [],
            (3, S),
            [(0, f"a/{INBOUND}", None, None), (3, *ERASED)],
            id="an erasure goes before what expires",
        ),
        pytest.param(
            Policy((replace(A, goal=6 * HOUR, valid_for=HOUR),)),
            at(0, 3, 5),
            [goal(2)],
            (4, S),
            [(0, *SENT), (3, "no_offer", "goal_reached", None), (5, *SENT)],
            id="goals are forgotten",
        ),
    ],
)
def test_erasures(
    policy: Policy,
    triggers: list[Trigger],
    told: list[Fact | Notice],
    erased: tuple[int, Root],
    expected: list[tuple[Any, ...]],
) -> None:
    found = [
        (
            hour_of(one["tick"]),
            f"{one['offer']}/{one['channel']}" if one["action"] == "offer" else one["action"],
            one["reason"],
            hour_of(one["until"]),
        )
        for one in decided(policy, triggers, told, [erased])
    ]
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_what_was_erased_has_no_id() -> None:
    policy = replace(LONG, caps=(Cap(1, DAY, per="household"),), says=frozenset({"read"}))
    made = decided(policy, [*at(0, **ANNA), *at(4, **BEN)], [], [(2, WHO)])
    gates = {name: read for name, *_, read in made[-1]["candidates"][0][3]}
    assert gates["caps"] == (None, MONDAY)


@pytest.mark.parametrize(
    ("triggers", "who", "expected"),
    [
        (at(0, 3, 4), S, [(0, 1), (3, 2), (3, 1), (4, 2)]),
        ([*at(0, 3, 4, **ANNA)], WHO, [(0, 1), (3, 2), (3, 3), (4, 4)]),
        ([*at(0, 3, 4, **ANNA)], HOME, [(0, 1), (3, 2), (3, 1), (4, 2)]),
    ],
)
def test_an_erased_root_is_numbered_anew(triggers: list[Trigger], who: Root, expected: list[tuple[int, int]]) -> None:
    made = decided(replace(LONG, says=frozenset({"sequence"})), triggers, [], [(3, who)])
    assert [(hour_of(one["tick"]), one["sequence"]) for one in made] == expected
