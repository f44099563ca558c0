"""Narrow tables give back what they were made of, and take less where they can."""

from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from transforms.arrays.narrow import NarrowTable

HOUR = 3_600_000
WHOLE = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-300, 300), st.integers(0, 200).map(lambda n: n * HOUR))
DOUBLES = st.one_of(st.floats(), st.integers(-(2**60), 2**60).map(float), st.just(-0.0))
COLUMNS = [
    (pl.Int64, WHOLE),
    (pl.UInt64, st.integers(0, 2**64 - 1)),
    (pl.Float64, DOUBLES),
    (pl.Decimal(38, 0), st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal)),
    (pl.Decimal(38, 0), st.integers(-(10**6), 10**12).map(Decimal)),
    (pl.String, st.one_of(st.text(max_size=3), st.sampled_from(["a", "b"]))),
    (pl.Boolean, st.booleans()),
]


@pytest.mark.parametrize(("dtype", "values"), COLUMNS)
@given(data=st.data())
def test_rows_come_back_as_they_were(dtype: pl.DataType, values: st.SearchStrategy[Any], data: st.DataObject) -> None:
    column = pl.Series("a", data.draw(st.lists(st.none() | values, max_size=30)), dtype)
    rows = np.array(data.draw(st.lists(st.integers(0, max(len(column) - 1, 0)), max_size=9 * len(column))), np.int64)
    found = NarrowTable(column.to_frame()).rows(rows, pl.Series("code", rows, pl.Int64))
    wanted = column.to_frame()[rows].select(pl.Series("code", rows, pl.Int64), "a")
    assert_frame_equal(found, wanted)
    if dtype == pl.Float64:
        signs = (np.signbit(table["a"].drop_nulls().to_numpy()) for table in (found, wanted))
        assert np.array_equal(*signs)


@pytest.mark.parametrize(
    ("column", "bytes_each"),
    [
        (pl.Series("a", [(n % 168) * HOUR + 7 * HOUR for n in range(1_000)]), 1),
        (pl.Series("a", [n % 3 for n in range(1_000)], pl.Decimal(38, 0)), 1),
        (pl.Series("a", [float(n) for n in range(1_000)]), 2),
        (pl.Series("a", [n + 0.5 for n in range(1_000)]), 8),
        (pl.Series("a", ["north", "south"] * 500), 1),
        (pl.Series("a", [2**40 + 7 * n for n in range(1_000)]), 2),
    ],
)
def test_columns_take_less(column: pl.Series, bytes_each: int) -> None:
    table = NarrowTable(column.to_frame())
    assert table.size <= bytes_each * len(column) + 200
