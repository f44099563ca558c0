"""Own channels first, worked by hand from the specification: who is published to, who comes in, who is pushed to."""

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from schemas.records import MOVED
from tests.transforms.decision.kernel import plan_of, play
from tests.transforms.decision.reference_policy import (
    DAY,
    HOUR,
    Cap,
    Fact,
    Holdout,
    Notice,
    Policy,
    Trigger,
)
from tests.transforms.decision.reference_words import (
    EVERY,
    MONDAY,
    A,
    S,
    at,
    consent,
    contact,
    fact,
    hour_of,
    outcome,
    paused,
    profile,
)
from tests.transforms.decision.small_policies import batches_of
from tests.transforms.decision.strategies import Case
from transforms.decision.decide import decide

FIRST = at(0)[0].id()
ONE = replace(A, valid_for=DAY, wait=12 * HOUR)
G = replace(ONE, triggers=("subscriber.g",))
"""Its trigger is that a segment was entered."""


def answers(
    policy: Policy, triggers: Iterable[Trigger], told: Iterable[Fact | Notice] = (), cuts: Iterable[int] = ()
) -> list[tuple[Any, ...]]:
    """Return of each decision the hour, what is done and why; marketing is on own channels for four hours first."""
    facts = [one for one in told if isinstance(one, Fact)]
    notices = [one for one in told if isinstance(one, Notice)]
    policy = replace(policy, inbound_first={"marketing": 4 * HOUR})
    case = Case(policy, list(triggers), facts, notices, MONDAY + 5 * DAY)
    rows = play(case, cuts)[0]
    return [
        (
            hour_of(one["tick"]),
            f"{one['offer']}/{one['channel']}" if one["action"] == "offer" else one["action"],
            one["reason"],
        )
        for one in rows
    ]


SHOWN = (0, "a/inbound", None)
EXPIRED = (4, "withdrawn", "expired")
PUSHED = (4, "a/app", None)
CASES = [
    pytest.param(Policy((ONE,)), at(0), [], [SHOWN, PUSHED, EXPIRED], id="nobody comes: it is pushed"),
    pytest.param(
        Policy((ONE,), listed=EVERY),
        at(0),
        [contact(2, FIRST, "delivered")],
        [SHOWN, (4, "no_offer", "came_in"), EXPIRED],
        id="who comes is pushed nothing, and what nobody took up is withdrawn",
    ),
    pytest.param(
        Policy((ONE,), listed=EVERY),
        at(0),
        [outcome(4, FIRST, "accepted")],
        [SHOWN, (4, "no_offer", "came_in")],
        id="what is settled is not withdrawn; the last tick still counts",
    ),
    pytest.param(
        Policy((ONE,), listed=EVERY),
        at(0),
        [contact(5, FIRST, "delivered")],
        [SHOWN, PUSHED, EXPIRED],
        id="who comes later has been pushed to",
    ),
    pytest.param(
        Policy((ONE,), listed=EVERY),
        at(0),
        [contact(2, FIRST, "failed")],
        [SHOWN, PUSHED],
        id="a failure is no visit, and settles it",
    ),
    pytest.param(
        Policy((ONE,), listed=EVERY),
        at(0),
        [contact(2, FIRST, "delivered"), contact(3, FIRST, "failed")],
        [SHOWN, (4, "no_offer", "came_in")],
        id="who came has come",
    ),
    pytest.param(Policy((replace(ONE, valid_for=4 * HOUR),)), at(0), [], [SHOWN, EXPIRED], id="valid for no longer"),
    pytest.param(
        Policy((replace(ONE, valid_for=3 * HOUR - 1),), (Cap(1, 8 * HOUR),)),
        at(0, 2),
        [],
        [
            SHOWN,
            (2, "deferred", "cap_0"),
            (3, "withdrawn", "expired"),
            (3, "a/inbound", None),
            (6, "withdrawn", "expired"),
        ],
        id="one of no more time is released and withdrawn at the tick after it, and frees what waits",
    ),
    pytest.param(
        Policy((replace(ONE, cooldown=DAY),), (Cap(1, DAY),)),
        at(0),
        [],
        [SHOWN, PUSHED, EXPIRED],
        id="what nobody saw is released before it is pushed",
    ),
    pytest.param(
        Policy(
            (replace(ONE, wait=0),),
            (Cap(1, DAY),),
            listed=EVERY,
            contacts_reported_within=2 * HOUR,
            on_silence="release",
        ),
        at(0, 3),
        [],
        [SHOWN, (3, "no_offer", "cap_0"), PUSHED, EXPIRED],
        id="it is held for as long as it is shown, whatever `on_silence` says",
    ),
    pytest.param(
        Policy((replace(ONE, wait=0),), quiet={"all": ((0, 8 * 60),)}),
        at(0),
        [],
        [SHOWN, (4, "deferred", "quiet"), EXPIRED, (8, "a/app", None)],
        id="own channels are not quiet; what is pushed waits for the morning",
    ),
    pytest.param(
        Policy((ONE,), quiet={"inbound": ((0, 60),)}),
        at(0),
        [],
        [(0, "a/app", None)],
        id="own channels are quiet if they are named",
    ),
    pytest.param(
        Policy((ONE,), listed=EVERY),
        at(0),
        [profile(0, channels="sms")],
        [SHOWN, (4, "no_offer", "no_channel"), EXPIRED],
        id="own channels are everybody's",
    ),
    pytest.param(
        Policy((ONE,), listed=EVERY, quiet={"app": ((0, 60),)}),
        at(0),
        [profile(0, zone="Mars/Olympus")],
        [SHOWN, (4, "no_offer", "unknown_zone"), EXPIRED],
        id="nobody asks where who comes by himself is",
    ),
    pytest.param(
        Policy((ONE,), listed=EVERY),
        at(0),
        [paused(2)],
        [SHOWN, (2, "withdrawn", "paused"), (4, "deferred", "paused"), (12, "no_offer", "paused")],
        id="what was withdrawn does not expire, and nothing wakes the trigger before",
    ),
    pytest.param(
        Policy((ONE,), listed=EVERY, bases={"marketing": "opt_in"}),
        at(0),
        [consent(0, "granted", channel="app")],
        [(0, "a/app", None)],
        id="consent is asked by own channels, too",
    ),
    pytest.param(
        Policy((G,), segments=frozenset({"subscriber.g"})),
        at(0, trigger="subscriber.g"),
        [fact(0), fact(1), fact(3, member=False)],
        [SHOWN, (3, "no_offer", "segment_exited"), EXPIRED],
        id="the end of its segment ends it",
    ),
    pytest.param(
        Policy((ONE,)),
        at(0),
        [Fact(S, f"subscriber.{MOVED}", "s", True, MONDAY + 2 * HOUR)],
        [SHOWN, (2, "no_offer", "moved"), EXPIRED],
        id="so does a move",
    ),
    pytest.param(
        Policy((ONE,), listed=EVERY, holdouts=(Holdout("global", 1.0),)),
        at(0),
        [],
        [(0, "holdout", None), (4, "holdout", None)],
        id="who is held out is held out of both, and nothing is withdrawn",
    ),
    pytest.param(
        Policy((replace(ONE, message="service"),)), at(0), [], [(0, "a/app", None)], id="of other purposes nothing is"
    ),
    pytest.param(
        Policy((replace(ONE, send=("sms",)),), (Cap(1, DAY, channel="sms"), Cap(1, 4 * HOUR, channel="inbound"))),
        at(0, 1),
        [],
        [SHOWN, (1, "a/sms", None), EXPIRED, (4, "no_offer", "cap_0")],
        id="a cap on own channels, and one on the others",
    ),
    pytest.param(
        Policy((replace(ONE, value=None),), (Cap(1, 10 * HOUR),)),
        [*at(0), *at(2, y=3.0)],
        [],
        [
            SHOWN,
            (2, "deferred", "cap_0"),
            (4, "a/inbound", None),
            (4, "outranked", "cap_0"),
            EXPIRED,
            (8, "a/app", None),
            (8, "withdrawn", "expired"),
        ],
        id="two for one place: at the tick of the release both are looked at",
    ),
]


def _in_order(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=str)


@pytest.mark.parametrize(("policy", "triggers", "told", "expected"), CASES)
def test_own_channels_first(
    policy: Policy, triggers: list[Trigger], told: list[Fact | Notice], expected: list[tuple[Any, ...]]
) -> None:
    whole = answers(policy, triggers, told)
    assert _in_order(whole) == _in_order(expected)
    every = [MONDAY + hour * HOUR for hour in range(-1, 20)]
    assert answers(policy, triggers, told, every) == whole
    assert answers(policy, triggers, told, random.Random(str(expected)).sample(every, 5)) == whole


def test_what_was_shown_before_its_tick_was_kept_is_pushed() -> None:
    plan = plan_of(Policy((ONE,), inbound_first={"marketing": 3 * HOUR}))
    first = decide(plan, None, batches_of(at(0)), MONDAY + HOUR)
    memory = first.ledger
    assert memory.deferred is not None
    older = replace(memory, deferred=memory.deferred.drop_columns(["shown"]))
    last = decide(plan, older, first.waiting, MONDAY + 4 * HOUR)
    told = [(row["action"], row["channel"], row["n"]) for row in last.decisions.to_pylist()]
    assert sorted(told) == [("offer", "app", 1), ("withdrawn", "inbound", 0)]
