"""Draws: a global holdout and those of families at once, each by its own salt, nested where a share grows."""

from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest

from tests.transforms.decision.kernel import plan_of, play
from tests.transforms.decision.reference_policy import HOUR, Holdout, Offer, Policy, Trigger
from tests.transforms.decision.strategies import Case
from transforms.decision.draws import held_out

BOTH = Policy((Offer("a", ("t",), "f"), Offer("b", ("u",), "g")))
ARMS = (Holdout("global", 0.1), Holdout("of_f", 0.3, "f"), Holdout("of_g", 0.3, "g"))
MANY = 2_000
ROOTS = pa.table({"root_kind": ["subscriber"] * MANY, "root": [f"s{number}" for number in range(MANY)]})


def drawn(*arms: Holdout) -> dict[str, set[int]]:
    """Return which of many roots each holdout holds."""
    found = held_out(plan_of(replace(BOTH, holdouts=arms)), ROOTS)
    return {name: {number for number, held in enumerate(mine) if held} for name, mine in found.items()}


def test_salts_are_independent() -> None:
    held = drawn(*ARMS)
    assert {name: len(mine) / MANY for name, mine in held.items()} == {
        "global": pytest.approx(0.1, abs=0.03),
        "of_f": pytest.approx(0.3, abs=0.04),
        "of_g": pytest.approx(0.3, abs=0.04),
    }
    assert len(held["of_f"] & held["of_g"]) / MANY == pytest.approx(0.09, abs=0.03)
    assert len(held["global"] & held["of_f"]) / MANY == pytest.approx(0.03, abs=0.015)


def test_a_greater_share_keeps_those_of_a_smaller_one() -> None:
    before, after = drawn(*ARMS), drawn(*(replace(one, share=2 * one.share) for one in ARMS))
    assert all(before[name] < after[name] for name in before)


def test_global_and_families_hold_at_once() -> None:
    triggers = [Trigger(f"s{number}", name, HOUR) for number in range(200) for name in "tu"]
    rows = play(Case(replace(BOTH, holdouts=ARMS), triggers, [], [], 2 * HOUR))[0]
    held, told = drawn(*ARMS), Counter[tuple[str, str | None]]()
    for row in rows:
        number, own = int(row["root"][1].removeprefix("s")), {"a": "of_f", "b": "of_g"}[row["offer"]]
        arm = "global" if number in held["global"] else own if number in held[own] else None
        assert (row["action"], row["arm"]) == ("holdout" if arm else "offer", arm)
        told[row["offer"], arm] += 1
    assert len(told) == 6
