"""The reference: gates, worked by hand from the specification; and random cases reach all that it can answer."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from tests.transforms.decision.reference import Reference
from tests.transforms.decision.reference_policy import (
    ALL,
    DAY,
    HOUR,
    Cap,
    Notice,
    Policy,
    Trigger,
    draw,
)
from tests.transforms.decision.reference_words import (
    EVERY,
    MONDAY,
    NIGHT,
    OPT_IN,
    PASSED,
    PAUSES,
    WAITS,
    A,
    S,
    at,
    consent,
    gate_of,
    paused,
    profile,
    ticket,
)
from tests.transforms.decision.strategies import Case, case_of, cases

PAUSED = ("blocked", "paused", None)
NO_CHANNEL, NO_CONSENT = ("blocked", "no_channel", None), ("blocked", "no_consent", None)
ASKS, TOLERATES = replace(PAUSES, bases=OPT_IN), replace(PAUSES, bases={"marketing": "opt_out"})
HELPS = replace(PAUSES, no_sales=2)
TROUBLED = ("blocked", "open_ticket", None)


@pytest.mark.parametrize(
    ("gate", "policy", "told", "expected"),
    [
        ("paused", PAUSES, [paused(9)], PAUSED),
        ("paused", PAUSES, [paused(10)], PAUSED),
        ("paused", PAUSES, [paused(11)], PASSED),
        ("paused", replace(PAUSES, offers=(WAITS,)), [paused(9)], ("deferred", "paused", None)),
        ("paused", PAUSES, [paused(9, ALL)], PAUSED),
        ("paused", PAUSES, [paused(9, scope="offer", target="a")], PAUSED),
        ("paused", PAUSES, [paused(9, scope="offer", target="b")], PASSED),
        ("paused", PAUSES, [paused(9, scope="family", target="f")], PAUSED),
        ("paused", PAUSES, [paused(9, scope="channel", target="sms")], PASSED),
        ("paused", PAUSES, [paused(8), paused(9, action="resume")], PASSED),
        ("paused", PAUSES, [paused(8, scope="offer", target="a"), paused(9, action="resume")], PAUSED),
        ("paused", PAUSES, [paused(8, ALL), paused(9, action="resume")], PAUSED),
        ("paused", PAUSES, [paused(9), paused(10, action="resume", time=8)], PAUSED),
        ("channel", PAUSES, [profile(9, "sms  app")], PASSED),
        ("channel", PAUSES, [profile(9, "sms apps")], NO_CHANNEL),
        ("channel", PAUSES, [profile(9, "")], NO_CHANNEL),
        ("channel", PAUSES, [profile(9, "sms"), profile(10)], PASSED),
        ("consent", ASKS, [], NO_CONSENT),
        ("consent", ASKS, [consent(9, "granted")], PASSED),
        ("consent", ASKS, [consent(9, "granted", channel="sms")], NO_CONSENT),
        ("consent", ASKS, [consent(9, "granted", purpose="care")], NO_CONSENT),
        ("consent", ASKS, [consent(8, "granted", channel="app"), consent(9, "withdrawn")], NO_CONSENT),
        ("consent", ASKS, [consent(8, "withdrawn"), consent(9, "granted", channel="app")], PASSED),
        ("consent", ASKS, [consent(9, "granted"), consent(9, "withdrawn", id="z")], PASSED),
        ("consent", ASKS, [consent(9, "granted", valid_until=MONDAY + 10 * HOUR)], NO_CONSENT),
        ("consent", ASKS, [consent(9, "granted", valid_until=MONDAY + 10 * HOUR + 1)], PASSED),
        ("consent", TOLERATES, [], PASSED),
        ("consent", TOLERATES, [consent(9, "withdrawn")], NO_CONSENT),
        ("consent", TOLERATES, [consent(9, "withdrawn", valid_until=MONDAY + 10 * HOUR)], PASSED),
        ("consent", replace(ASKS, offers=(replace(A, message="care"),)), [], PASSED),
        ("ticket", HELPS, [ticket(9, "open")], TROUBLED),
        ("ticket", replace(HELPS, offers=(WAITS,)), [ticket(9, "open")], ("deferred", "open_ticket", None)),
        ("ticket", HELPS, [ticket(9, "open", 3), ticket(9, "open", None, "2")], PASSED),
        ("ticket", HELPS, [ticket(8, "open"), ticket(9, "closed")], PASSED),
        ("ticket", HELPS, [ticket(8, "open"), ticket(9, "closed", name="2")], TROUBLED),
        ("ticket", replace(HELPS, offers=(replace(A, message="care"),)), [ticket(9, "open")], PASSED),
    ],
)
def test_gates_that_read_notices(gate: str, policy: Policy, told: list[Notice], expected: tuple[Any, ...]) -> None:
    assert gate_of(gate, policy, at(10), told) == expected


SHARED = draw("share", "test", "a", *S, str((MONDAY + 10 * HOUR) // DAY))


@pytest.mark.parametrize(
    ("gate", "policy", "given", "expected"),
    [
        ("moved", Policy((A,)), {"moved_until": MONDAY + 10 * HOUR}, PASSED),
        ("moved", Policy((A,)), {"moved_until": MONDAY + 11 * HOUR}, ("blocked", "moved", None)),
        ("freshness", Policy((A,), max_decision_age=HOUR), {"own_tick": MONDAY + 9 * HOUR}, PASSED),
        ("freshness", Policy((A,), max_decision_age=HOUR), {"own_tick": MONDAY}, ("blocked", "stale", None)),
        ("eligibility", Policy((replace(A, least_x=1, value=None),)), {"y": None}, ("blocked", "not_eligible", None)),
        ("eligibility", Policy((replace(A, value=None),)), {"y": None}, ("blocked", "no_value", None)),
        ("eligibility", Policy((replace(A, value=-1.0),)), {}, ("blocked", "below_zero", None)),
        ("eligibility", Policy((replace(A, value=-1.0, at_a_loss=True),)), {}, PASSED),
        ("eligibility", Policy((replace(A, value=0.0),)), {}, PASSED),
        ("eligibility", Policy((replace(A, share=(SHARED - 1e-9, DAY)),)), {}, ("blocked", "not_in_share", None)),
        ("eligibility", Policy((replace(A, share=(SHARED + 1e-9, DAY)),)), {}, PASSED),
        ("caps", Policy((WAITS,), (Cap(0, HOUR),)), {}, ("blocked", "cap_0", None)),
        ("caps", Policy((replace(A, message="care"),), (Cap(0, HOUR),)), {}, PASSED),
        ("caps", Policy((replace(A, message="care"),), (Cap(0, HOUR, message="any"),)), {}, ("blocked", "cap_0", None)),
        ("caps", Policy((A,), (Cap(0, HOUR, ("g", "h")), Cap(0, HOUR, ("g", "f")))), {}, ("blocked", "cap_1", None)),
    ],
)
def test_gates_that_read_triggers(gate: str, policy: Policy, given: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert gate_of(gate, policy, at(10, **given), []) == expected


def test_a_record_names_the_gates_that_there_are() -> None:
    assert Policy((A,)).gates == ["moved", "eligibility", "cooldown", "caps"]
    full = Policy((A,), listed=EVERY, bases=OPT_IN, no_sales=1, max_decision_age=1, quiet={"all": "all"})
    assert " ".join(full.gates) == "paused moved channel consent ticket freshness eligibility cooldown caps quiet"


@pytest.mark.parametrize(
    ("policy", "hour", "told", "expected"),
    [
        (Policy((A,), quiet=NIGHT), 8, [], PASSED),
        (Policy((A,), quiet=NIGHT), 7, [], ("deferred", "quiet", 8)),
        (Policy((A,), quiet=NIGHT), 6, [], ("blocked", "quiet", None)),
        (Policy((WAITS,), quiet=NIGHT), 3, [], ("deferred", "quiet", 8)),
        (Policy((WAITS,), quiet=NIGHT), 2, [], ("blocked", "quiet", None)),
        (Policy((A,), quiet=NIGHT, listed=EVERY), 5, [profile(zone="Europe/Helsinki")], ("deferred", "quiet", 6)),
        (Policy((A,), quiet=NIGHT, time_zone="Europe/Helsinki"), 5, [], ("deferred", "quiet", 6)),
        (
            Policy((WAITS,), quiet=NIGHT, listed=EVERY),
            12,
            [profile(zone="Moon/Sea")],
            ("blocked", "unknown_zone", None),
        ),
        (Policy((WAITS,), quiet={"sms": "all"}), 3, [], PASSED),
        (Policy((WAITS,), quiet={"monday": "all"}), 18, [], ("blocked", "quiet", None)),
        (Policy((WAITS,), quiet={"monday": "all"}), 19, [], ("deferred", "quiet", 24)),
    ],
)
def test_quiet_hours(policy: Policy, hour: int, told: list[Notice], expected: tuple[Any, ...]) -> None:
    assert gate_of("quiet", policy, at(hour), told) == expected


def test_the_hour_at_which_clocks_change_is_skipped() -> None:
    sunday = 1_774_742_400_000  # 2026-03-29T00:00Z: 2:00 in Helsinki; an hour later 4:00
    policy = Policy((replace(A, wait=DAY),), quiet={"all": ((0, 180),)}, time_zone="Europe/Helsinki")
    first, second = Reference(policy).decide([Trigger(tick=sunday)], [], [], sunday + DAY)
    assert (first["reason"], first["until"], second["tick"]) == ("quiet", sunday + HOUR, sunday + HOUR)


GATES = {
    "paused": ["paused"],
    "moved": ["moved"],
    "channel": ["no_channel"],
    "consent": ["no_consent"],
    "ticket": ["open_ticket"],
    "freshness": ["stale"],
    "eligibility": ["not_eligible", "no_value", "below_zero", "not_in_share"],
    "cooldown": ["cooldown", "cooldown_family", "cooldown_after_rejection", "cooldown_family_after_rejection"],
    "caps": ["cap_0", "cap_1", "cap_2", "unknown_zone", "same_tick"],
    "quiet": ["quiet", "unknown_zone"],
}
DEFERS = {"paused", "ticket", "cooldown", "caps", "quiet"}


@given(cases())
@settings(max_examples=60)
def test_each_trigger_is_answered_whatever_the_order(case: Case) -> None:
    decisions = case.decide()
    assert sum(one["n"] == 0 and one["action"] != "withdrawn" for one in decisions) == len(case.triggers)
    assert {one["decision_id"] for one in decisions} <= {one.id(n) for one in case.triggers for n in range(20)}
    assert all(one["until"] is None or one["until"] > one["tick"] for one in decisions)
    assert [one["tick"] for one in decisions] == sorted(one["tick"] for one in decisions)
    reverse = (case.triggers[::-1], case.facts[::-1], case.notices[::-1])
    assert repr(Reference(case.policy).decide(*reverse, case.upto)) == repr(decisions)


def _seen(cases: int = 300, features: frozenset[str] = frozenset()) -> Counter[tuple[str, ...]]:
    """Return how often random cases get which answers, and gates say what."""
    seen: Counter[tuple[str, ...]] = Counter()
    for seed in range(cases):
        case = case_of(random.Random(seed), features)
        decisions = case.decide()
        for one in decisions:
            seen[("action", one["action"])] += 1
            seen[("because", one["reason"] or "")] += 1
            seen[(one["action"], one["reason"] or "")] += 1
            seen[("n", str(one["n"]))] += 1
            seen.update(
                {(gate, result, why or "") for *_, gates in one["candidates"] for gate, result, why, _ in gates}
            )
    return seen


def test_random_cases_reach_everything() -> None:
    seen = _seen()
    wanted: set[tuple[str, ...]] = {
        ("action", action) for action in ("offer", "no_offer", "outranked", "deferred", "holdout")
    }
    wanted |= {("because", "segment_exited"), ("because", "no_recipient"), ("n", "1"), ("n", "2"), ("n", "3")}
    for gate, reasons in GATES.items():
        results = ["blocked", "deferred"] if gate in DEFERS else ["blocked"]
        wanted |= {(gate, result, why) for result in results for why in reasons if why != "unknown_zone"}
        wanted |= {(gate, "passed", ""), *((gate, "blocked", why) for why in reasons)}
    rare = {key: seen[key] for key in wanted if seen[key] < 5}
    assert not rare


@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        (
            "goals",
            [
                ("withdrawn", "goal_reached"),
                ("no_offer", "goal_reached"),
                ("deferred", "goal_reached"),
                ("eligibility", "blocked", "goal_reached"),
                ("cooldown", "blocked", "goal_reached"),
                ("cooldown", "deferred", "goal_reached"),
            ],
        ),
        (
            "inbound",
            [
                ("withdrawn", "expired"),
                ("no_offer", "came_in"),
                ("quiet", "deferred", "quiet"),
            ],
        ),
        ("versions erasures", [("withdrawn", "erased"), ("deferred", "same_tick"), ("holdout", "")]),
    ],
)
def test_random_cases_reach_what_features_bring(features: str, wanted: list[tuple[str, ...]]) -> None:
    seen = _seen(120, frozenset(features.split()))
    assert not {key: seen[key] for key in wanted if seen[key] < 3}
