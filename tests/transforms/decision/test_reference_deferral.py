"""The reference: what waits, and what comes of it, worked by hand from the specification."""

from dataclasses import replace
from typing import Any

import pytest

from tests.transforms.decision.reference import Reference
from tests.transforms.decision.reference_policy import (
    DAY,
    HOUR,
    Cap,
    Fact,
    Notice,
    Policy,
    Trigger,
)
from tests.transforms.decision.reference_words import (
    CAPS,
    COOLED,
    COOLS,
    EVERY,
    FIRST,
    NIGHT,
    PAUSES,
    SENT,
    SILENT,
    WAITS,
    A,
    answers,
    at,
    contact,
    decide,
    fact,
    hour_of,
    outcome,
    paused,
    profile,
)

G = replace(A, triggers=("subscriber.g",), wait=9 * HOUR)
CANCELS = Policy((G,), segments=frozenset({"subscriber.g"}), listed=EVERY)
WAITING = replace(PAUSES, offers=(WAITS,))
TILL_4 = ("deferred", "cap_0", 4)


@pytest.mark.parametrize(
    ("policy", "triggers", "told", "expected"),
    [
        pytest.param(
            Policy((replace(COOLS, wait=2 * HOUR),)),
            at(0, 1),
            [],
            [(0, *SENT), (1, "deferred", "cooldown", 3), (3, *SENT)],
            id="until a cooldown is over, by D",
        ),
        pytest.param(Policy((replace(COOLS, wait=HOUR),)), at(0, 1), [], [(0, *SENT), (1, *COOLED)], id="not beyond D"),
        pytest.param(
            Policy((replace(A, wait=DAY),), (Cap(1, "day"), Cap(1, 20 * HOUR))),
            at(3, 5),
            [],
            [(3, *SENT), (5, "deferred", "cap_0", 24), (24, *SENT)],
            id="until the latest of the caps frees",
        ),
        pytest.param(
            Policy((replace(A, wait=DAY),), (Cap(1, "day"), Cap(1, 3 * DAY))),
            at(3, 5),
            [],
            [(3, *SENT), (5, "no_offer", "cap_1", None)],
            id="not if one of them frees too late: that is the reason",
        ),
        pytest.param(
            Policy((replace(COOLS, wait=2 * HOUR, cooldown_after_rejection=9 * HOUR),), listed=EVERY),
            at(0, 2),
            [outcome(1, FIRST, "rejected")],
            [(0, *SENT), (2, "no_offer", "cooldown_after_rejection", None)],
            id="nor if what was rejected cools for longer",
        ),
        pytest.param(
            Policy((replace(COOLS, wait=8 * HOUR, cooldown_after_rejection=9 * HOUR),), listed=EVERY),
            at(0, 2),
            [outcome(1, FIRST, "rejected")],
            [(0, *SENT), (2, "deferred", "cooldown", 9), (9, *SENT)],
            id="of those that are waited out the first is the reason",
        ),
        pytest.param(
            WAITING,
            at(1),
            [paused(0), paused(3, action="resume")],
            [(1, "deferred", "paused", None), (3, *SENT)],
            id="a notice opens",
        ),
        pytest.param(
            WAITING,
            at(1),
            [paused(0), profile(2), profile(3)],
            [(1, "deferred", "paused", None), (6, "no_offer", "paused", None)],
            id="looks at which nothing opens are silent; D is the end",
        ),
        pytest.param(
            WAITING,
            at(1),
            [paused(0), profile(4, "sms")],
            [(1, "deferred", "paused", None), (4, "no_offer", "no_channel", None)],
            id="a look may close it",
        ),
        pytest.param(
            replace(WAITING, caps=(Cap(1, 5 * HOUR),)),
            at(0, 1),
            [paused(1), paused(2, action="resume")],
            [(0, *SENT), (1, "deferred", "paused", None), (5, *SENT)],
            id="the tick at which a gate opens may become known at a silent look",
        ),
        pytest.param(
            replace(WAITING, quiet=NIGHT),
            at(3),
            [paused(2), paused(9, action="resume")],
            [(3, "deferred", "paused", None), (8, "no_offer", "paused", None)],
            id="two gates that defer",
        ),
        pytest.param(
            replace(SILENT, offers=(replace(COOLS, cooldown=9 * HOUR, wait=9 * HOUR),)),
            at(0, 1),
            [],
            [(0, *SENT), (1, "deferred", "cooldown", 9), (2, *SENT)],
            id="silence opens",
        ),
        pytest.param(
            replace(CAPS, offers=(replace(A, wait=9 * HOUR),)),
            at(0, 1),
            [contact(2, FIRST, "failed")],
            [(0, *SENT), (1, "deferred", "cap_0", 4), (2, *SENT)],
            id="a failure opens",
        ),
        pytest.param(
            replace(CAPS, offers=(replace(A, wait=9 * HOUR),)),
            at(0, 1, 2),
            [],
            [(0, *SENT), (1, *TILL_4), (2, *TILL_4), (4, *SENT), (4, "deferred", "cap_0", 8), (8, *SENT)],
            id="of two that wait for one place one waits on",
        ),
        pytest.param(
            CANCELS,
            at(1, trigger="subscriber.g"),
            [fact(1), paused(0), fact(3, False), paused(4, action="resume")],
            [(1, "deferred", "paused", None), (3, "no_offer", "segment_exited", None)],
            id="an exit cancels",
        ),
        pytest.param(
            CANCELS,
            at(1, trigger="subscriber.g"),
            [fact(1), paused(0), fact(3, False), fact(3), fact(3, False, "subscriber.h"), paused(4, action="resume")],
            [(1, "deferred", "paused", None), (4, *SENT)],
            id="not one that is entered again at once",
        ),
        pytest.param(
            Policy((replace(A, wait=HOUR, only="household.w"), replace(COOLS, name="c", value=9.0, wait=4 * HOUR))),
            at(0, 1, household="h"),
            [],
            [(0, "c/app", None, None), (1, "deferred", "cooldown", 3), (3, "c/app", None, None)],
            id="the best candidate waits though another is blocked",
        ),
        pytest.param(
            Policy((A, replace(COOLS, name="c", value=9.0, wait=4 * HOUR))),
            at(0, 1),
            [],
            [(0, "c/app", None, None), (1, *SENT)],
            id="nobody waits where another candidate passes",
        ),
    ],
)
def test_deferral(
    policy: Policy, triggers: list[Trigger], told: list[Fact | Notice], expected: list[tuple[Any, ...]]
) -> None:
    assert sorted(answers(policy, triggers, told), key=repr) == sorted(expected, key=repr)


def test_each_answer_has_an_id_of_its_own() -> None:
    trigger = at(1)[0]
    policy = replace(
        WAITING, quiet={"app": ((0, 120),), "sms": ((0, 180),)}, offers=(replace(WAITS, send=("app", "sms")),)
    )
    told = [paused(2, scope="channel", target="app")]
    made = decide(policy, [trigger], told)
    assert [(one["n"], one["decision_id"] == trigger.id(one["n"]), hour_of(one["tick"])) for one in made] == [
        (0, True, 1),
        (1, True, 2),
        (2, True, 3),
    ]
    assert [(one["action"], one["channel"], one["reason"]) for one in made] == [
        ("deferred", None, "quiet"),
        ("deferred", None, "paused"),
        ("offer", "sms", None),
    ]
    assert {one["trigger_tick"] for one in made} == {trigger.tick}


def test_a_day_on_which_clocks_change_frees_its_cap_an_hour_sooner() -> None:
    sunday = 1_774_735_200_000  # 2026-03-28T22:00Z: midnight in Helsinki; the day has 23 hours
    policy = Policy((replace(A, wait=DAY),), (Cap(1, "day"),), time_zone="Europe/Helsinki")
    triggers = [Trigger(tick=sunday), Trigger(tick=sunday + HOUR)]
    sent, waits, later = Reference(policy).decide(triggers, [], [], sunday + 2 * DAY)
    assert [one["action"] for one in (sent, waits, later)] == ["offer", "deferred", "offer"]
    assert waits["until"] == later["tick"] == sunday + 23 * HOUR
