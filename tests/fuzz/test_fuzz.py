"""A small campaign of the fuzzer in every run of the tests."""

import pytest

from tests.fuzz.campaign import KINDS, Tally, trial

CASES = 40


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_breaks_a_run_or_costs_its_neighbours(kind: str) -> None:
    tally = Tally()
    verdicts = {seed: trial(kind, seed) for seed in range(CASES)}
    for verdict in verdicts.values():
        tally.add(kind, verdict)
    assert {seed: verdict.wrong for seed, verdict in verdicts.items() if verdict.wrong} == {}
    assert tally.counts[kind]["accepted"] > 0, "a fuzzer whose files are all refused proves nothing"
