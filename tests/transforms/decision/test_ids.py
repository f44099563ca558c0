"""Decision ids: published vectors, which must never change."""

import polars as pl
import pytest

from transforms.decision.ids import decision_ids

VECTORS = [
    (
        ("fibre_town", "subscriber", "s00000001", "subscriber.running_out", 1_767_593_100_000, 0),
        "4cde5a8f3fb7bfffc116e7ab3b24acee",
    ),
    (
        ("fibre_town", "subscriber", "s00000001", "subscriber.running_out", 1_767_593_100_000, 1),
        "03a1cc92a8d902f76dc8135a93dabd28",
    ),
    (
        ("fibre_town", "household", "s00000001", "subscriber.running_out", 1_767_593_100_000, 0),
        "2e2f90daed2e1f7eea62d433a094c618",
    ),
    (
        ("fibre_town", "subscriber", "+358 40 ä,:😀", "subscriber.churn_risk.exited", -60_000, 0),
        "7fa97bc9b45a5a28bf15f11e6c049e96",
    ),
    (("p", "subscriber", "1:2,", "t", 0, 0), "c35c69d8a2dcb87d14bc2b21561a616a"),
]


@pytest.mark.parametrize(("of", "expected"), VECTORS)
def test_published_vectors(of: tuple[str, str, str, str, int, int], expected: str) -> None:
    playbook, kind, subject, trigger, tick, n = of
    row = pl.DataFrame({"subject_kind": [kind], "subject": [subject], "trigger": [trigger], "own_tick": [tick]})
    assert decision_ids(playbook, row.with_columns(n=n)).to_list() == [expected]


def test_what_would_run_together_stays_apart() -> None:
    pairs = [("ab", "c"), ("a", "bc"), ("a,1:b", "c"), ("", "abc"), ("1:a", "bc")]
    rows = pl.DataFrame(
        {
            "subject_kind": ["subscriber"] * len(pairs),
            "subject": [subject for subject, _ in pairs],
            "trigger": [trigger for _, trigger in pairs],
            "own_tick": [0] * len(pairs),
            "n": [0] * len(pairs),
        }
    )
    assert decision_ids("p", rows).n_unique() == len(pairs)
