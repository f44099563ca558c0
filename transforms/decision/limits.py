"""Limits: every one that counts a candidate, and the ledger it looks at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from schemas.playbook_levels import GROUPS
from transforms.arrays.arrow_columns import Bools, Ints, numbered, spread
from transforms.arrays.in_time import FOREVER
from transforms.compiler.offer_definitions import COUNTED, Contact, Limit, OfferPlan
from transforms.decision.ledger import ALWAYS, NEVER, Ledger
from transforms.decision.zones import Zones

_ROOM = 4
"""So many cells may be laid out for each that is used."""
_SEARCHED = 40 * 86_400_000
"""Milliseconds in which every calendar period ends."""


@dataclass(frozen=True)
class Checks:
    """Every limit of every candidate; a candidate that is sent counts towards the same limits.

    A calendar limit has a cell for each time zone that occurs: a candidate looks at that of its recipient, and counts
    in all.

    Attributes:
        candidate: Position of the candidate, ascending.
        limit: Index of the limit, ascending within a candidate.
        cell: The limit's cell in the ledger.
        nth: The limit's `max`.
        mark: What a reservation would write.
        floor: The nth latest mark must not be greater.
        looks: Whether the candidate looks at the cell.
        adds: Whether a reservation writes into it.
        zone: Index of the time zone of the cell.
        ledger: The ledger before the first decision.
    """

    candidate: Ints
    limit: Ints
    cell: Ints
    nth: Ints
    mark: Ints
    floor: Ints
    looks: Bools
    adds: Bools
    zone: Ints
    ledger: Ledger


def lay_out_checks(
    plan: OfferPlan, triggers: pl.DataFrame, candidates: pl.DataFrame, reservations: pl.DataFrame, zones: Zones
) -> Checks:
    """Lay out the checks of candidates in the order of their turns, and the ledger they look at."""
    size = len(triggers) + len(reservations)  # numbers are less
    candidate, limit = counted(plan.contacts, candidates["contact"].to_numpy(), plan.limits)
    trigger = candidates["trigger"].to_numpy()[candidate]
    whose = _whose(plan, triggers, trigger, limit)
    here = np.flatnonzero(whose >= 0)
    rows, zone = _zoned(plan, limit[here], len(zones.names))
    here = here[rows]
    candidate, limit, trigger, whose = (each[here] for each in (candidate, limit, trigger, whose))
    of_groups, special = (
        np.array(each, np.bool_)[limit]
        for each in (
            [one.per in GROUPS for one in plan.limits],
            [one.rejected or one.reached for one in plan.limits],
        )
    )
    mark, floor = marks_and_floors(plan.limits, limit, triggers["tick"].to_numpy()[trigger], zones.names, zone)
    calendar, theirs = _calendar(plan)[limit], zones.of_row[trigger]
    nth = np.array([one.max for one in plan.limits], np.int64)[limit]
    unknown = calendar & (theirs < 0)
    nth[unknown], floor[unknown] = 0, NEVER  # whatever the ledger holds
    floor[of_groups & triggers["alone"].to_numpy()[trigger]] = FOREVER  # no mark is greater
    held, marks = _marks(plan, reservations, zones, size)
    cell, held, cells = _dense(plan, (limit * size + whose) * len(zones.names) + zone, held, size * len(zones.names))
    ledger = Ledger(held, marks, cell[~special], cells)
    looks = ~calendar | (zone == np.maximum(theirs, 0))
    return Checks(candidate, limit, cell, nth, mark, floor, looks, ~special, zone, ledger)


def _dense(plan: OfferPlan, cells: Ints, held: Ints, size: int) -> tuple[Ints, Ints, int]:
    """Return the numbers of cells and of those that have marks with few gaps, and how many there are."""
    if (every := len(plan.limits) * size) <= _ROOM * (len(cells) + len(held)):
        return cells, held, every
    found, numbers = np.unique(np.append(cells, held), return_inverse=True)
    return numbers[: len(cells)], numbers[len(cells) :], len(found)


def opens_of(plan: OfferPlan, limits: Ints, marks: Ints, ticks: Ints, zones: Zones, zone: Ints) -> Ints:
    """Return the first tick at which a limit no longer sees a mark that it sees now; FOREVER where it allows nothing.

    Args:
        plan: The policy.
        limits: Indices of limits.
        marks: Of each the mark that has to go.
        ticks: Now.
        zones: Of recipients.
        zone: Index of the zone by whose calendar each counts.
    """
    opens = np.full(len(limits), FOREVER)
    ever = marks < ALWAYS
    periods = np.array([0 if isinstance(limit.period, str) else limit.period for limit in plan.limits], np.int64)
    opens[ever] = -(-(marks[ever] + periods[limits[ever]]) // plan.tick) * plan.tick
    rows = np.flatnonzero(_calendar(plan)[limits] & ever)
    if len(rows):
        low, high = ticks[rows] // plan.tick, (ticks[rows] + _SEARCHED) // plan.tick
        while (high - low > 1).any():  # numbers of calendar periods ascend
            middle = (low + high) // 2
            numbers, _ = marks_and_floors(plan.limits, limits[rows], middle * plan.tick, zones.names, zone[rows])
            later = numbers > marks[rows]
            low, high = np.where(later, low, middle), np.where(later, middle, high)
        opens[rows] = high * plan.tick
    return opens


def _calendar(plan: OfferPlan) -> Bools:
    return np.array([limit.by_calendar for limit in plan.limits], np.bool_)


def _zoned(plan: OfferPlan, limits: Ints, zones: int) -> tuple[Ints, Ints]:
    """Return rows again for each zone where the limit is by calendar: the row and the index of the zone."""
    if zones == 1 or not _calendar(plan).any():
        return np.arange(len(limits)), np.zeros(len(limits), np.int64)
    sizes = np.where(_calendar(plan)[limits], zones, 1)
    return np.repeat(np.arange(len(limits)), sizes), spread(np.zeros(len(limits), np.int64), sizes)


def _marks(plan: OfferPlan, reservations: pl.DataFrame, zones: Zones, size: int) -> tuple[Ints, Ints]:
    """Return cell and mark of all that reservations count towards; each limit and zone has `size` cells."""
    names = [reservations[name].to_arrow() for name in Contact._fields]
    which = numbered(*names)
    firsts = np.unique(which, return_index=True)[1]
    contacts = [Contact(*one) for one in zip(*(name.take(firsts).to_pylist() for name in names), strict=True)]
    row, limit = counted(contacts, which, plan.limits)
    whose = _whose(plan, reservations, row, limit)
    rejected, reached = (
        np.array(each, np.bool_)[limit]
        for each in ([one.rejected for one in plan.limits], [one.reached for one in plan.limits])
    )
    said = {name: reservations[name].to_numpy()[row] for name in ("counts", "rejected", "reached")}
    counts = np.where(reached, said["reached"], said["counts"] & (~rejected | said["rejected"]))
    here = np.flatnonzero((whose >= 0) & counts)
    rows, zone = _zoned(plan, limit[here], len(zones.names))
    here = here[rows]
    row, limit, whose = (each[here] for each in (row, limit, whose))
    ticks = reservations["tick"].to_numpy()[row]
    marks, _ = marks_and_floors(plan.limits, limit, ticks, zones.names, zone)
    return (limit * size + whose) * len(zones.names) + zone, marks


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
        actual = [getattr(contact, name) for contact in contacts]
        numbers = {one: number for number, one in enumerate(dict.fromkeys(actual))}
        wanted = np.ones((len(numbers), len(limits)), np.bool_)
        for column, limit in enumerate(limits):
            if (only := getattr(limit, name)) is not None:
                wanted[:, column] = False
                wanted[[numbers[one] for one in only if one in numbers], column] = True
        found &= wanted[[numbers[one] for one in actual]] if contacts else True
    return found


def marks_and_floors(
    limits: Sequence[Limit], which: Ints, ticks: Ints, zones: Sequence[str], zone: Ints
) -> tuple[Ints, Ints]:
    """Return how the limit `which` marks each tick, and the floor: marks up to it do not count at that tick.

    A rolling period P at tick T counts (T - P, T], a calendar period the local day, week (from Monday) or month
    of T, where the local time is that of the zone with the index `zone`.
    """
    periods = [limit.period for limit in limits]
    lengths = np.array([1 if isinstance(period, str) else period for period in periods], np.int64)
    marks = ticks.copy()
    for unit in {period for period in periods if isinstance(period, str)}:
        of_unit = np.array([period == unit for period in periods], np.bool_)[which]
        for number, name in enumerate(zones):
            rows = np.flatnonzero(of_unit & (zone == number))
            marks[rows] = _calendar_number(ticks[rows], unit, name)
    return marks, marks - lengths[which]


def _calendar_number(ticks: Ints, unit: str, time_zone: str) -> Ints:
    """Number the local day, week or month of each tick; unlike its start, it exists whatever the clocks do."""
    date = pl.from_epoch(pl.Series(ticks), "ms").dt.replace_time_zone("UTC").dt.convert_time_zone(time_zone).dt.date()
    days = date.to_physical().cast(pl.Int64).to_numpy()
    if unit == "month":
        return date.dt.year().cast(pl.Int64).to_numpy() * 12 + date.dt.month().to_numpy()
    return days if unit == "day" else (days + 3) // 7  # the first Monday was the fifth day
