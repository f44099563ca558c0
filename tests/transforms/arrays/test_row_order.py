"""The order of rows: by numbers, and where these are equal by all else, whatever order they came in."""

from itertools import permutations

import polars as pl

from transforms.arrays.row_order import in_order

ROWS = [(1, 5, "b"), (1, 5, None), (1, 5, "a"), (1, 7, "a"), (2, 5, "z"), (2, 5, "y")]


def test_the_order_depends_on_the_rows_alone() -> None:
    wanted = [ROWS[n] for n in (2, 0, 1, 3, 5, 4)]
    for some in permutations(ROWS):
        assert in_order(pl.DataFrame(some, ["code", "time", "id"], orient="row"), "code", "time").rows() == wanted


def test_rows_that_differ_in_numbers_keep_their_values() -> None:
    rows = pl.DataFrame({"code": [2, 1], "id": ["a", "b"]})
    assert in_order(rows, "code").rows() == [(1, "b"), (2, "a")]
