"""Recognition: who counts as true, as found, as rightly found, and how long it took."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.recognition import TRUTH, Recognition, recognition, recognition_text

START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(days=30)
Truths = list[tuple[str, int | None, int | None]]
Entries = list[tuple[str, int]]


def _day(number: int | None) -> datetime | None:
    return None if number is None else START + timedelta(days=number)


def compared(truths: Truths, entries: Entries) -> Recognition:
    """Compare in days since the start, with ten days to be recognised."""
    truth = pl.DataFrame([(who, _day(since), _day(until)) for who, since, until in truths], schema=TRUTH, orient="row")
    schema = {"subject": pl.String, "tick": TRUTH["since"]}
    entered = pl.DataFrame([(who, _day(tick)) for who, tick in entries], schema=schema, orient="row")
    return recognition(truth, entered, timedelta(days=10), END)


@pytest.mark.parametrize(
    ("truths", "entries", "true", "recognised", "entered", "rightly", "delays"),
    [
        ([], [], 0, 0, 0, 0, []),
        ([("anna", 5, None)], [("anna", 9)], 1, 1, 1, 1, [4]),
        ([("anna", None, None)], [("anna", 9)], 0, 0, 1, 0, []),
        ([("anna", 5, None)], [("anna", 4)], 1, 0, 1, 0, []),
        ([("anna", 5, None)], [("anna", 4), ("anna", 6)], 1, 1, 1, 1, [1]),
        ([("anna", 5, None)], [("anna", 6), ("anna", 9)], 1, 1, 1, 1, [1]),
        ([("anna", 5, None)], [("anna", 16)], 1, 0, 1, 1, []),
        ([("anna", 25, None)], [], 0, 0, 0, 0, []),
        ([("anna", 25, None)], [("anna", 27)], 0, 0, 1, 1, []),
        ([("anna", 2, 6)], [], 0, 0, 0, 0, []),
        ([("anna", 2, 14)], [("anna", 9)], 1, 1, 1, 1, [7]),
        ([("anna", 2, 14)], [("anna", 25)], 1, 0, 1, 0, []),
        ([("anna", 1, 12), ("anna", 15, None)], [("anna", 3), ("anna", 20)], 2, 2, 1, 1, [2, 5]),
        ([("anna", 5, None)], [("ben", 6)], 1, 0, 1, 0, []),
    ],
)
def test_who_counts(
    truths: Truths, entries: Entries, true: int, recognised: int, entered: int, rightly: int, delays: list[int]
) -> None:
    found = compared(truths, entries)
    assert (found.true, found.recognised, found.entered, found.rightly) == (true, recognised, entered, rightly)
    assert found.delays.to_list() == [timedelta(days=days) for days in delays]


def test_shares_of_nobody_are_none() -> None:
    found = compared([], [])
    assert (found.precision, found.recall) == (None, None)


def test_the_table() -> None:
    found = compared([("anna", 5, None), ("ben", 5, None), ("cy", None, None)], [("anna", 9), ("cy", 9)])
    lines = recognition_text({"heavy": found, "light": compared([], [])}).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["heavy", "2", "1", "0.50", "0.50", "4.0", "d", "4.0", "d"],
        ["light", "0", "0", "-", "-", "-", "-"],
    ]


def test_nothing_sought_is_nothing_told() -> None:
    assert recognition_text({}) == ""
