"""Ranges of rows: what is covered by some of them."""

import numpy as np
import pytest

from transforms.arrays.ranges import within


@pytest.mark.parametrize(
    ("ranges", "covered", "moved"),
    [
        ([(1, 3), (2, 4)], [1, 2, 3], [(0, 2), (1, 3)]),
        ([(0, 1), (3, 5)], [0, 3, 4], [(0, 1), (1, 3)]),
        ([(2, 2)], [], [(0, 0)]),
        ([], [], []),
    ],
)
def test_rows_in_some_range(ranges: list[tuple[int, int]], covered: list[int], moved: list[tuple[int, int]]) -> None:
    lo, hi = np.array([*ranges, (0, 0)], np.int64)[: len(ranges)].T
    rows, starts, ends = within(lo, hi, 6)
    assert rows.tolist() == covered
    assert [*zip(starts.tolist(), ends.tolist(), strict=True)] == moved
