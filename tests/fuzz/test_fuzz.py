"""A small campaign of the fuzzer in every run of the tests."""

import pytest

from tests.fuzz.campaign import KINDS, trial

CASES = 40


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_breaks_a_run_or_costs_its_neighbours(kind: str) -> None:
    assert [(seed, told) for seed in range(CASES) if (told := trial(kind, seed))] == []
