"""Aggregates of rows `[lo, hi)` for many ranges at once, in numpy; the ranges only move forward."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from transforms.arrays.dtypes import Bools, Ints


def totals(values: Ints, lo: Ints, hi: Ints) -> Ints:
    """Sum the values of each range, which must fit into Int64.

    The running sum may leave it: it is right modulo 2**64, so the difference is, and of that only one number fits.
    """
    running = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=running[1:])
    return cast(Ints, running[hi] - running[lo])


def extremes(values: NDArray[np.int64], lo: Ints, hi: Ints, pick: np.ufunc) -> Ints:
    """Return `pick` (np.minimum or np.maximum) over each non-empty range.

    A sparse table: level k holds the pick of 2**k neighbours; two overlapping blocks cover a range.
    """
    found = np.zeros(len(lo), np.int64)
    lengths = hi - lo
    level, width = values, 1
    while True:
        rows = np.flatnonzero((lengths >= width) & (lengths < 2 * width))
        found[rows] = pick(level[lo[rows]], level[hi[rows] - width])
        if 2 * width > lengths.max(initial=0):
            return found
        level = pick(level[:-width], level[width:])
        width *= 2


def last_valid(valid: Bools, lo: Ints, hi: Ints) -> Ints:
    """Return the position of the last valid row of each range, -1 where there is none."""
    positions = np.maximum.accumulate(np.where(valid, np.arange(len(valid)), -1)) if len(valid) else np.empty(0, int)
    found = np.append(positions, -1)[hi - 1]
    return np.where((hi > lo) & (found >= lo), found, -1)


def first_valid(valid: Bools, lo: Ints, hi: Ints) -> Ints:
    """Return the position of the first valid row of each range, -1 where there is none."""
    size = len(valid)
    positions = np.minimum.accumulate(np.where(valid, np.arange(size), size)[::-1])[::-1]
    found = np.append(positions, size)[lo]
    return np.where(found < hi, found, -1)


def within(lo: Ints, hi: Ints, size: int) -> tuple[Ints, Ints, Ints]:
    """Return which of `size` rows are in some range, and where each range starts and ends among these."""
    change = np.bincount(lo, minlength=size + 1) - np.bincount(hi, minlength=size + 1)
    covered = np.cumsum(change[:size]) > 0
    before = np.zeros(size + 1, np.int64)
    np.cumsum(covered, out=before[1:])
    return np.flatnonzero(covered), before[lo], before[hi]


def distincts(following: Ints, lo: Ints, hi: Ints) -> Ints:
    """Count the different values of each range; both bounds never move back from one range to the next.

    Args:
        following: The position of the next row of the same subject and value, or a number past all rows.
        lo: Where each range starts.
        hi: Where each range ends.

    A row counts from the first range that sees it until one that has left it or sees its successor.
    """
    rows = np.arange(len(following))
    seen = np.searchsorted(hi, rows, "right")
    gone = np.minimum(np.searchsorted(lo, rows, "right"), np.searchsorted(hi, following, "right"))
    counted = gone > seen
    change = np.bincount(seen[counted], minlength=len(lo) + 1) - np.bincount(gone[counted], minlength=len(lo) + 1)
    return cast(Ints, np.cumsum(change)[: len(lo)].astype(np.int64))
