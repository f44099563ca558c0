"""The ledger: what was sent to each contact root, as far as a limit can see it."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.arrays.arrow_columns import Bools, Ints, spread
from transforms.compiler.offer_definitions import Contact, Limit

NEVER = np.iinfo(np.int64).min


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
        """Return the nth latest mark (1 is the latest) of each cell, NEVER where there are fewer."""
        at = self._end[cells] - nth
        return np.where(at >= self._start[cells], self._marks[np.maximum(at, 0)], NEVER)

    def reserve(self, cells: Ints, marks: Ints) -> None:
        """Add a mark to each of the cells, which are all different; no mark precedes what is there."""
        self._marks[self._end[cells]] = marks
        self._end[cells] += 1


def counted(contacts: Sequence[Contact], rows: Ints, limits: Sequence[Limit]) -> tuple[Ints, Ints]:
    """Pair each row with the limits that count its contact.

    Args:
        contacts: The contacts that occur.
        rows: For each row the index of its contact.
        limits: The limits.

    Returns:
        The index of the row and of the limit, in the order of the rows, then of the limits.
    """
    contact, limit = np.nonzero(_counts(contacts, limits))
    sizes = np.bincount(contact, minlength=len(contacts))
    starts = np.cumsum(sizes) - sizes
    return np.repeat(np.arange(len(rows)), sizes[rows]), limit[spread(starts[rows], sizes[rows])]


def _counts(contacts: Sequence[Contact], limits: Sequence[Limit]) -> Bools:
    """Tell which contact (row) each limit (column) counts."""
    found = np.ones((len(contacts), len(limits)), np.bool_)
    for name in Contact._fields:
        wanted, actual = ([getattr(one, name) for one in those] for those in (limits, contacts))
        numbers = {one: number for number, one in enumerate(dict.fromkeys(wanted))}
        asked = np.array([-1 if one is None else numbers[one] for one in wanted], np.int64)
        had = np.array([numbers.get(one, len(numbers)) for one in actual], np.int64)
        found &= (asked == -1) | (had[:, None] == asked)
    return found


def marks_and_floors(limits: Sequence[Limit], which: Ints, ticks: Ints, time_zone: str) -> tuple[Ints, Ints]:
    """Return how the limit `which` marks each tick, and the floor: marks up to it do not count at that tick.

    A rolling period P at tick T counts (T - P, T], a calendar period the local day, week (from Monday) or month
    of T.
    """
    periods = [limit.period for limit in limits]
    lengths = np.array([1 if isinstance(period, str) else period for period in periods], np.int64)
    marks = ticks.copy()
    for unit in {period for period in periods if isinstance(period, str)}:
        rows = np.flatnonzero(np.array([period == unit for period in periods], np.bool_)[which])
        marks[rows] = _calendar_number(ticks[rows], unit, time_zone)
    return marks, marks - lengths[which]


def _calendar_number(ticks: Ints, unit: str, time_zone: str) -> Ints:
    """Number the local day, week or month of each tick; unlike its start, it exists whatever the clocks do."""
    date = pl.from_epoch(pl.Series(ticks), "ms").dt.replace_time_zone("UTC").dt.convert_time_zone(time_zone).dt.date()
    days = date.to_physical().cast(pl.Int64).to_numpy()
    if unit == "month":
        return date.dt.year().cast(pl.Int64).to_numpy() * 12 + date.dt.month().to_numpy()
    return days if unit == "day" else (days + 3) // 7  # the first Monday was the fifth day
