"""The reference: exploration, worked by hand from the specification."""

from dataclasses import replace
from typing import Any

import pytest

from tests.transforms.decision.reference_policy import HOUR, Holdout, Offer, Policy, draw
from tests.transforms.decision.reference_words import A, at, decide

SAYS = frozenset({"propensity"})
ARMS = (A, Offer("b", value=0.9), Offer("c", value=0.8))
OTHERS = (Offer("d", family="g", value=0.7), Offer("e", priority=9), Offer("f", least_x=1))
EXPLORES = Policy((*ARMS, *OTHERS), explore={"f": 0.3}, says=SAYS)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (replace(EXPLORES, explore={}), {"a": 1.0}),
        (replace(EXPLORES, explore={"g": 0.3}), {"a": 1.0}),
        (replace(EXPLORES, explore={"f": 0.0}), {"a": 1.0}),
        (EXPLORES, {"a": 0.8, "b": 0.1, "c": 0.1}),
        (replace(EXPLORES, explore={"f": 1.0}), {name: round(1 / 3, 12) for name in "abc"}),
        (replace(EXPLORES, offers=(A, *OTHERS)), {"a": 1.0}),
    ],
)
def test_propensities(policy: Policy, expected: dict[str, float]) -> None:
    made = [decide(policy, at(1, subject=f"s{number}"))[0] for number in range(120)]
    assert {one["offer"]: one["propensity"] for one in made} == pytest.approx(expected)
    for offer, propensity in expected.items():
        assert sum(one["offer"] == offer for one in made) == pytest.approx(120 * propensity, abs=18)


def test_each_channel_is_an_arm() -> None:
    policy = replace(EXPLORES, offers=(replace(A, send=("app", "sms")),), explore={"f": 1.0})
    made = [decide(policy, at(1, subject=f"s{number}"))[0] for number in range(100)]
    assert {(one["channel"], one["propensity"]) for one in made} == {("app", 0.5), ("sms", 0.5)}


def test_what_is_for_own_channels_stays_there() -> None:
    policy = replace(EXPLORES, explore={"f": 1.0}, inbound_first={"marketing": 6 * HOUR})
    made = [decide(policy, at(1, subject=f"s{number}"))[0] for number in range(100)]
    assert {one["offer"] for one in made} == {"a", "b", "c"}
    assert {(one["channel"], round(one["propensity"], 12)) for one in made} == {("inbound", round(1 / 3, 12))}


def test_the_draws_are_those_of_the_id() -> None:
    trigger = at(1)[0]
    explores, arm = draw("explore", trigger.id()) < 0.3, int(draw("explore", trigger.id(), "arm") * 3)
    assert decide(EXPLORES, [trigger])[0]["offer"] == ("abc"[arm] if explores else "a")


@pytest.mark.parametrize(
    ("policy", "given", "expected"),
    [
        (replace(EXPLORES, holdouts=(Holdout("all", 1.0),)), {}, ("holdout", True)),
        (replace(EXPLORES, offers=OTHERS[2:]), {}, ("no_offer", False)),
    ],
)
def test_who_is_held_out_has_a_propensity(policy: Policy, given: dict[str, Any], expected: tuple[str, bool]) -> None:
    made = decide(policy, at(1, **given))[0]
    assert (made["action"], made["propensity"] is not None) == expected
