"""Columns that are null but for a few rows."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from schemas.records import INSTANT
from transforms.arrays.arrow_columns import scattered


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["a", None, "ccc"]),
        pa.array(["no", "a", "", "ccc", "no"])[1:4],
        pa.array([7, 8, None], INSTANT),
        pa.array([], pa.string()),
        pa.array(
            [{"by": "x", "since": 1}, {"by": None, "since": 2}], pa.struct([("by", pa.string()), ("since", INSTANT)])
        ),
    ],
)
@pytest.mark.parametrize("rows", [[0, 1, 2], [1, 8, 16]])
def test_values_are_where_they_belong(values: pa.Array, rows: list[int]) -> None:
    column = scattered(17, np.array(rows[: len(values)], np.int64), values)
    column.validate(full=True)
    expected: list[Any] = [None] * 17
    for row, value in zip(rows, values.to_pylist(), strict=False):
        expected[row] = value
    assert column.to_pylist() == expected
