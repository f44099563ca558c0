"""Limits: every one that counts a candidate, and the ledger it looks at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from schemas.playbook_levels import GROUPS
from transforms.arrays.arrow_columns import Bools, Ints, numbered, spread
from transforms.compiler.offer_definitions import COUNTED, Contact, Limit, OfferPlan
from transforms.decision.ledger import Ledger

NO_MARK_IS_GREATER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Checks:
    """Every limit of every candidate; a candidate that is sent counts towards the same limits.

    Attributes:
        candidate: Position of the candidate, ascending.
        limit: Index of the limit, ascending within a candidate.
        cell: The limit's cell in the ledger.
        nth: The limit's `max`.
        mark: What a reservation would write.
        floor: The nth latest mark must not be greater.
        ledger: The ledger before the first decision.
    """

    candidate: Ints
    limit: Ints
    cell: Ints
    nth: Ints
    mark: Ints
    floor: Ints
    ledger: Ledger


def lay_out_checks(
    plan: OfferPlan, triggers: pl.DataFrame, candidates: pl.DataFrame, reservations: pl.DataFrame
) -> Checks:
    """Lay out the checks of candidates in the order of their turns, and the ledger they look at."""
    size = len(triggers) + len(reservations)  # numbers are less
    candidate, limit = counted(plan.contacts, candidates["contact"].to_numpy(), plan.limits)
    trigger = candidates["trigger"].to_numpy()[candidate]
    whose = _whose(plan, triggers, trigger, limit)
    candidate, limit, trigger = (each[whose >= 0] for each in (candidate, limit, trigger))
    mark, floor = marks_and_floors(plan.limits, limit, triggers["tick"].to_numpy()[trigger], plan.time_zone)
    of_groups = np.array([limit.per in GROUPS for limit in plan.limits], np.bool_)
    floor[of_groups[limit] & triggers["alone"].to_numpy()[trigger]] = NO_MARK_IS_GREATER
    cell = limit * size + whose[whose >= 0]
    ledger = _ledger(plan, reservations, cell, size)
    nth = np.array([limit.max for limit in plan.limits], np.int64)[limit]
    return Checks(candidate, limit, cell, nth, mark, floor, ledger)


def _ledger(plan: OfferPlan, reservations: pl.DataFrame, room: Ints, size: int) -> Ledger:
    """Enter reservations; each limit has `size` cells."""
    names = [reservations[name].to_arrow() for name in Contact._fields]
    which = numbered(*names)
    firsts = np.unique(which, return_index=True)[1]
    contacts = [Contact(*one) for one in zip(*(name.take(firsts).to_pylist() for name in names), strict=True)]
    row, limit = counted(contacts, which, plan.limits)
    whose = _whose(plan, reservations, row, limit)
    row, limit = row[whose >= 0], limit[whose >= 0]
    marks, _ = marks_and_floors(plan.limits, limit, reservations["tick"].to_numpy()[row], plan.time_zone)
    return Ledger(limit * size + whose[whose >= 0], marks, room, len(plan.limits) * size)


def _whose(plan: OfferPlan, whom: pl.DataFrame, rows: Ints, limits: Ints) -> Ints:
    """Return the number of whom each limit counts at each row, -1 where it does not count."""
    numbers = whom.select(COUNTED).to_numpy()
    per = np.array([COUNTED.index(limit.per) for limit in plan.limits], np.int64)
    return numbers[rows, per[limits]]


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
