"""The kernel of decisions against the reference: the same answers, in any calls."""

import random

import pytest

from tests.cases import TIMES
from tests.transforms.decision.kernel import play
from tests.transforms.decision.reference_policy import HOUR
from tests.transforms.decision.strategies import FEATURES, case_of
from tests.transforms.decision.strategies_world import TICKS
from transforms.decision import ledgers, root_table

CASES, GROUPS_OF = round(120 * TIMES), 12


@pytest.mark.cases
@pytest.mark.parametrize("group", range(GROUPS_OF))
def test_the_kernel_decides_as_the_reference_does(group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(group, CASES, GROUPS_OF):
        chance = random.Random(seed)
        monkeypatch.setattr(
            ledgers, "MOST", (0.25, 100)[seed % 2]
        )  # of a small world few are too many to pick them out
        monkeypatch.setattr(root_table, "LEAST", (4_096, 0)[seed % 3 // 2])
        case = case_of(chance, FEATURES if seed // GROUPS_OF % 2 else frozenset())
        start = case.upto - (TICKS + 48) * HOUR
        expected = case.decide()
        cuts = [start + chance.randint(0, TICKS + 48) * HOUR for _ in range(chance.choice((0, 0, 1, 5, 20)))]
        assert play(case, cuts)[0] == expected, f"case {seed}"
