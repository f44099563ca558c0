"""The ledger: what was sent to each contact root, as far as a limit can see it."""

import numpy as np

from transforms.arrays.arrow_columns import Ints, spread

NEVER = np.iinfo(np.int64).min
ALWAYS = np.iinfo(np.int64).max - 1
"""Stand for a mark before and after all others."""


class Ledger:
    """Marks of reservations by cell, where a cell is one limit of one contact root.

    A mark says when: the tick for a rolling limit, the number of the local day, week or month for a calendar
    limit. The marks of a cell lie side by side in ascending order, with room for those that may be added.
    """

    def __init__(self, cells: Ints, marks: Ints, room: Ints, size: int) -> None:
        """Enter the reservations so far.

        Args:
            cells: The cell of each mark.
            marks: The marks, in any order.
            room: The cells to which marks may be added, once for each that may come.
            size: How many cells there are.
        """
        held = np.bincount(cells, minlength=size)
        taken = np.cumsum(held + np.bincount(room, minlength=size))
        self._start = np.append(0, taken)[:-1]
        self._end = self._start + held
        self._marks = np.empty(len(cells) + len(room), np.int64)
        self._marks[spread(self._start, held)] = marks[np.lexsort((marks, cells))]

    def latest(self, cells: Ints, nth: Ints) -> Ints:
        """Return the nth latest mark (1 is the latest) of each cell; NEVER where there are fewer, ALWAYS for nth 0."""
        at = self._end[cells] - nth
        if not len(self._marks):
            return np.where(nth == 0, ALWAYS, NEVER)
        there = self._marks[np.clip(at, 0, len(self._marks) - 1)]
        return np.where(nth == 0, ALWAYS, np.where(at >= self._start[cells], there, NEVER))

    def reserve(self, cells: Ints, marks: Ints) -> None:
        """Add a mark to each of the cells, which are all different; no mark precedes what is there."""
        self._marks[self._end[cells]] = marks
        self._end[cells] += 1
