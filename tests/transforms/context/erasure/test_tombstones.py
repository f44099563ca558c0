"""Tombstones: who is spared, until when, and that nothing is hashed in vain."""

from collections import Counter

import pyarrow as pa
import pytest

from transforms.context.erasure.tombstones import Tombstone, salted, spare
from transforms.context.grid import Grid

SALT = b"salt"
GRID = Grid(10)


def rows(*told: tuple[int, str], signal: bytes = b"usage", **columns: list[str]) -> pa.RecordBatch:
    table = {"time": [time for time, _ in told], "subject": [who for _, who in told], **columns}
    return pa.RecordBatch.from_pydict(table).replace_schema_metadata(
        {b"signal": signal, b"subject_kind": b"subscriber"}
    )


def stone(kind: str, who: str, until: int) -> Tombstone:
    return Tombstone(kind, salted(SALT, kind, who), "request", until)


@pytest.mark.parametrize(
    ("time", "first", "gone"),
    [(5, 10, True), (88, 10, True), (90, 10, False), (5, 90, True), (5, 100, False)],
    ids=["waits", "the last tick", "after the end", "late", "late after the end"],
)
def test_rows_are_spared_by_the_tick_at_which_they_act(time: int, first: int, gone: bool) -> None:
    kept, found, signals = spare(GRID, first, [rows((time, "a"), (time, "b"))], [stone("subscriber", "a", 100)], SALT)
    assert [row["subject"] for batch in kept for row in batch.to_pylist()] == (["b"] if gone else ["a", "b"])
    assert signals == found.total() == gone


def test_a_membership_is_about_its_group_too() -> None:
    batch = rows((1, "a"), (1, "b"), signal=b"membership", group=["h", "h"], group_kind=["household", "sme"])
    (kept,), found, _ = spare(GRID, 10, [batch], [stone("household", "h", 100)], SALT)
    assert kept["subject"].to_pylist() == ["b"]
    assert found == Counter({("household", salted(SALT, "household", "h")): 1})


def test_salted_texts_stay_apart() -> None:
    parts = [("a", "bc"), ("ab", "c"), ("abc",), ("abc", ""), ("", "abc"), ("a\0b", "c"), ("a", "b\0c")]
    assert len({salted(SALT, *one) for one in parts}) == len(parts)


def test_without_tombstones_no_salt_is_needed() -> None:
    batch = rows((1, "a"))
    assert spare(GRID, 10, [batch], [], b"") == ([batch], Counter(), 0)
    with pytest.raises(ValueError, match="needs a salt"):
        salted(b"", "subscriber", "a")


def test_a_row_about_two_who_are_erased_counts_once() -> None:
    batch = rows((1, "a"), signal=b"membership", group=["h"], group_kind=["household"])
    both = [stone("subscriber", "a", 100), stone("household", "h", 100)]
    assert spare(GRID, 10, [batch], both, SALT) == ([], Counter({("subscriber", both[0].subject): 1}), 1)
