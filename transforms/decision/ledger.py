"""The ledger: what was sent to each contact root, as far as a limit can see it."""

import numpy as np
import polars as pl

from transforms.arrays.arrow_columns import Ints, spread

NEVER = np.iinfo(np.int64).min
ALWAYS = np.iinfo(np.int64).max - 1
"""Stand for a mark before and after all others."""


class Ledger:
    """Marks of reservations by cell, where a cell is one limit of one contact root.

    A mark says when: the tick for a rolling limit, the number of the local day, week or month for a calendar
    limit. The marks of a cell lie side by side in ascending order, with room for those that may be added. Each has
    a number that says whose it is.
    """

    def __init__(self, cells: Ints, marks: Ints, whose: Ints, room: Ints, size: int) -> None:
        """Enter the reservations so far.

        Args:
            cells: The cell of each mark.
            marks: The marks, those of a cell that are equal by tick.
            whose: The number of each.
            room: The cells to which marks may be added, once for each that may come.
            size: How many cells there are.
        """
        held = np.bincount(cells, minlength=size)
        taken = np.cumsum(held + np.bincount(room, minlength=size))
        self._start = np.append(0, taken)[:-1]
        self._end = self._start + held
        self._marks = np.empty(len(cells) + len(room), np.int64)
        self._whose = np.empty(len(cells) + len(room), np.int64)
        order, places = np.lexsort((marks, cells)), spread(self._start, held)
        self._marks[places], self._whose[places] = marks[order], whose[order]

    def places(self, cells: Ints, nth: Ints) -> Ints:
        """Return the place of the nth latest mark (1 is the latest) of each cell; it is none where there are fewer."""
        return self._end[cells] - nth

    def marks(self, cells: Ints, nth: Ints, places: Ints) -> Ints:
        """Return the marks at places, as they were found; NEVER where there is none, ALWAYS for nth 0."""
        if not len(self._marks):
            return np.where(nth == 0, ALWAYS, NEVER)
        there = self._marks[np.clip(places, 0, len(self._marks) - 1)]
        return np.where(nth == 0, ALWAYS, np.where(places >= self._start[cells], there, NEVER))

    def reserve(self, cells: Ints, marks: Ints, whose: Ints) -> None:
        """Add a mark to each of the cells, which are all different; no mark precedes what is there."""
        at = self._end[cells]
        self._marks[at], self._whose[at] = marks, whose
        self._end[cells] += 1

    def whose(self, cells: Ints, nth: Ints, places: Ints, each: pl.DataFrame) -> Ints:
        """Return whose the nth latest marks are that were found at some places.

        Args:
            cells: The cells.
            nth: As asked, 1 or more.
            places: Where they were found; all are there.
            each: By number tick, by, since; marks are in this order.
        """
        ticks = each["tick"].to_numpy()
        found: Ints = self._whose[places]
        lows, highs = places.copy(), places + 1
        for bounds, step, ends in ((lows, -1, self._start[cells]), (highs, 1, places + nth)):
            rows = np.flatnonzero(bounds != ends)
            while len(rows := rows[bounds[rows] != ends[rows]]):
                beside = bounds[rows] - (step < 0)
                rows = rows[ticks[self._whose[beside]] == ticks[found[rows]]]
                bounds[rows] += step
        several = np.flatnonzero(highs - lows > 1)
        if len(several):
            sizes = (highs - lows)[several]
            mine = self._whose[spread(lows[several], sizes)]
            order = each[mine].select(pl.arg_sort_by(pl.Series(np.repeat(several, sizes)), "by", "since"))
            found[several] = mine[order.to_series().to_numpy()][np.cumsum(sizes) - sizes + (places - lows)[several]]
        return found
