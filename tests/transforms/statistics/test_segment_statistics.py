"""Pulses from parts made by hand."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.durations import HOUR
from tests.transforms.statistics.parts import Part, frame, number
from transforms.context.emit.segment_parts import PARTS
from transforms.statistics.segment_statistics import merged, stats_of

STATS_PARTS: list[Part] = [
    (HOUR, 1, None, "known", None, None, 10),
    (HOUR, 1, "a", "members", None, None, 2),
    (HOUR, 1, "a", "entered", None, None, 3),
    (HOUR, 1, "a", "exited", None, None, 1),
    (HOUR, 1, "a", "dwell", None, "60000", 1),
    (HOUR, 2, None, "known", None, None, 10),
    (HOUR, 2, "a", "members", None, None, 4),
    (HOUR, 2, "b", "members", None, None, 1),
    (HOUR, 2, "a", "also", "b", None, 1),
    (HOUR, 2, "b", "also", "a", None, 1),
    (HOUR, 2, "a", "dwell", None, "60000", 2),
    (HOUR, 2, "a", "dwell", None, "240000", 1),
    (HOUR, 2, "a", "exited", None, None, 3),
    (HOUR, 3, None, "known", None, None, 10),
]


def test_a_pulse_row_says_it_all() -> None:
    rows = stats_of(frame(STATS_PARTS), "household", {"a": "The As", "b": ""}).to_pylist()
    assert [(row["segment"], row["window"], row["end"].hour) for row in rows] == [
        ("a", "hour", 1),
        ("a", "hour", 2),
        ("b", "hour", 1),
        ("b", "hour", 2),
    ]  # nobody is in a segment at 3: not told
    first, second, nobody, other = rows
    assert (first["subject_kind"], first["words"]) == ("household", "The As")
    assert (first["size"], first["base"], first["share"]) == (2, 10, 0.2)
    assert (first["entered"], first["exited"], first["drift"]) == (3, 1, None)
    assert (second["dwell_median"], second["dwell_mean"]) == (60_000, 120_000)
    assert second["drift"] == pytest.approx(0.2)
    assert second["overlap"] == [{"segment": "b", "members": 1}]
    assert (nobody["size"], nobody["share"], nobody["overlap"], nobody["dwell_mean"]) == (0, 0.0, [], None)
    assert (other["size"], other["drift"]) == (1, pytest.approx(0.1))


@given(st.data())
def test_parts_add_up_in_any_order_and_split(data: st.DataObject) -> None:
    parts = [*STATS_PARTS, *STATS_PARTS, number(1, "a", "n", [1.5, -2.0]), number(1, "a", "n", [10.0**11])]
    dealt = data.draw(st.lists(st.integers(0, 3), min_size=len(parts), max_size=len(parts)))
    order = data.draw(st.permutations(range(len(parts))))
    pieces = [frame([parts[i] for i in order if dealt[i] == piece]) for piece in range(4)]
    tables = [piece.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(PARTS) for piece in pieces]
    whole = frame(parts).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(PARTS)
    again = merged([batch for table in tables for batch in table.to_batches()])
    assert again.equals(merged(whole.to_batches()))
    assert merged([]).is_empty()
