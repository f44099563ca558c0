"""Exploration: arms are drawn evenly and exactly, and who explores is exactly who the hash says."""

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from tests.transforms.decision.reference_policy import HOUR, Offer, Trigger, draw
from tests.transforms.decision.small_policies import Policy, batches_of, plan_of
from transforms.decision.decide import decide
from transforms.decision.draws import arm_of

START = 1_772_409_600_000
ARMS = (Offer("a", value=4.0), Offer("b", value=3.0, send=("app", "sms")), Offer("c", family="g", value=3.5))
PLAN = plan_of(Policy((*ARMS, Offer("d", priority=9)), ()))
TRIGGERS = [Trigger(f"s{number}", "t", START + HOUR) for number in range(3_000)]


@pytest.mark.parametrize("arms", [1, 2, 3, 7, 100, 2**32 - 1])
def test_arms_are_those_of_exact_arithmetic(arms: int) -> None:
    chance = np.random.default_rng(arms)
    edges = [0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1, *(2**64 * n // arms for n in range(min(arms, 7)))]
    hashes = [*edges, *(edge - 1 for edge in edges if edge), *chance.integers(0, 2**64, 500, np.uint64).tolist()]
    found = arm_of(np.array(hashes, np.uint64), np.full(len(hashes), arms))
    assert found.tolist() == [one * arms >> 64 for one in hashes]


def test_what_explores_is_exactly_what_the_hash_says() -> None:
    made = decide(replace(PLAN, explore={"f": 0.3}), None, batches_of(TRIGGERS), START + HOUR).decisions.to_pylist()
    explores = [draw("explore", row["decision_id"]) < 0.3 for row in made]
    arms = [("a", "app"), ("b", "app"), ("b", "sms")]
    drawn = [arms[int(draw("explore", row["decision_id"], "arm") * 3)] for row in made]
    expected = [arm if explored else arms[0] for explored, arm in zip(explores, drawn, strict=True)]
    assert [(row["offer"], row["channel"]) for row in made] == expected
    assert {row["offer"]: round(row["propensity"], 12) for row in made} == {"a": 0.8, "b": 0.1}
    weights = [1 / row["propensity"] for row in made if row["offer"] == "b"]
    assert sum(weights) / len(made) == pytest.approx(2, abs=0.2), "each of two arms counts as one decision each time"


def test_what_does_not_explore_decides_as_before() -> None:
    plain, other = (
        decide(replace(PLAN, explore=explore), None, batches_of(TRIGGERS), START + HOUR).decisions
        for explore in ({}, {"g": 0.9})
    )
    assert other.equals(plain)
    assert pc.unique(plain["propensity"]).to_pylist() == [1.0]


def test_nothing_that_passes_is_nothing_to_explore() -> None:
    none = [replace(trigger, x=None) for trigger in TRIGGERS[:5]]
    plan = plan_of(Policy((Offer("a", least_x=1), Offer("b", least_x=1)), ()))
    made = decide(replace(plan, explore={"f": 1.0}), None, batches_of(none), START + HOUR).decisions
    assert made["propensity"].null_count == len(made) == 5
