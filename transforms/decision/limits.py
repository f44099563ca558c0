"""Limits: every one that counts a candidate, and the ledger it looks at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from schemas.durations import DAY, MINUTE
from schemas.playbook_levels import GROUPS
from transforms.arrays.arrow_columns import Bools, Ints, changes, numbered, spread
from transforms.arrays.in_time import FOREVER
from transforms.compiler.offer_definitions import COUNTED, Contact, Limit, OfferPlan
from transforms.decision.ledger import ALWAYS, NEVER, Ledger
from transforms.decision.local_time import local_offsets
from transforms.decision.zones import Zones

_ROOM = 4
"""So many places may be laid out for each that is used."""
_SEARCHED = 40 * 86_400_000
"""Milliseconds in which every calendar period ends."""


@dataclass(frozen=True)
class Checks:
    """What every trigger asks of the ledger: one check for each limit that counts a candidate of it.

    A calendar limit has a cell for each time zone that occurs: a check looks at that of the recipient, and a
    reservation counts in all.

    Attributes:
        counts: Of each limit (row) which contacts (column) of the plan it counts.
        turn: Of each check the turn of its trigger, ascending.
        limit: Index of the limit, ascending within a turn.
        cell: The limit's cell in the ledger.
        nth: The limit's `max`.
        floor: The nth latest mark must not be greater.
        zone: Index of the time zone of the cell.
        added: Index of a check, ascending: a reservation that it counts writes a mark into a cell.
        added_cell: The cell.
        added_mark: The mark.
        ledger: The ledger before the first decision.
    """

    counts: Bools
    turn: Ints
    limit: Ints
    cell: Ints
    nth: Ints
    floor: Ints
    zone: Ints
    added: Ints
    added_cell: Ints
    added_mark: Ints
    ledger: Ledger


def lay_out_checks(
    plan: OfferPlan, triggers: pl.DataFrame, turns: Ints, contacts: Ints, reservations: pl.DataFrame, zones: Zones
) -> Checks:
    """Lay out the checks of triggers, and the ledger they look at.

    Args:
        plan: The policy.
        triggers: In the order of their turns: `COUNTED`, tick, alone, and zone, the index of that of the recipient.
        turns: Of each candidate the turn, ascending.
        contacts: Of each its index in `plan.contacts`.
        reservations: `COUNTED`, those of `Contact`, tick, rejected.
        zones: Those that occur.
    """
    size = len(triggers) + len(reservations)  # numbers are less
    counts = _counts(plan.contacts, plan.limits)
    turn, limit = _asked(counts, turns, contacts)
    whose, theirs = _whose(plan, triggers, turn, limit), triggers["zone"].to_numpy()[turn]
    calendar = _calendar(plan)[limit]
    special = np.array([one.rejected or one.reached for one in plan.limits], np.bool_)[limit]
    of_group = np.array([one.per in GROUPS for one in plan.limits], np.bool_)[limit]
    rows, in_zone = _zoned(plan, limit, len(zones.names))
    mark = _marks_at(plan.limits, limit[rows], triggers["tick"].to_numpy()[turn[rows]], zones.names, in_zone)
    held, marks, whose_marks = _marks(plan, reservations, zones, size)
    places = (limit[rows] * size + np.maximum(whose[rows], 0)) * len(zones.names) + in_zone
    (cells, held), used = _dense(len(plan.limits) * size * len(zones.names), places, held)
    adds = np.flatnonzero(((whose >= 0) & ~special)[rows])
    ledger = Ledger(held, marks, whose_marks, cells[adds], len(used))
    zone = np.where(calendar, np.maximum(theirs, 0), 0)
    own, added = (rows, adds) if isinstance(rows, slice) else (np.flatnonzero(in_zone == zone[rows]), rows[adds])
    floor = mark[own] - np.array([_length(one) for one in plan.limits], np.int64)[limit]
    nth = np.array([one.max for one in plan.limits], np.int64)[limit]
    unknown = calendar & (theirs < 0)
    nth[unknown], floor[unknown] = 0, NEVER  # whatever the ledger holds
    floor[(of_group & triggers["alone"].to_numpy()[turn]) | (whose < 0)] = FOREVER  # no mark is greater
    return Checks(counts.T, turn, limit, cells[own], nth, floor, zone, added, cells[adds], mark[adds], ledger)


def _asked(counts: Bools, turns: Ints, contacts: Ints) -> tuple[Ints, Ints]:
    """Return the turn and the limit of each check: the limits that count some candidate of the turn."""
    firsts = np.flatnonzero(changes(turns))
    if not counts.size or not len(firsts):
        return firsts[:0], firsts[:0]
    packed = np.packbits(counts, axis=1).T  # eight limits to a byte
    bits = np.stack([np.bitwise_or.reduceat(each[contacts], firsts) for each in packed], axis=1)
    row, limit = np.divmod(np.flatnonzero(np.unpackbits(bits, axis=1, count=counts.shape[1])), counts.shape[1])
    return turns[firsts][row], limit


def _dense(size: int, *places: Ints) -> tuple[list[Ints], Ints]:
    """Number the places below `size` that occur, in their order; return the numbers, and the places themselves."""
    if size > _ROOM * sum(map(len, places)):
        found, numbers = np.unique(np.concatenate(places), return_inverse=True)
        return np.split(numbers, np.cumsum([len(each) for each in places])[:-1]), found
    occurs = np.zeros(size, np.bool_)
    for each in places:
        occurs[each] = True
    numbers = np.cumsum(occurs) - 1
    return [numbers[each] for each in places], np.flatnonzero(occurs)


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
    lengths = np.array([_length(limit) for limit in plan.limits], np.int64)
    opens[ever] = -(-(marks[ever] + lengths[limits[ever]]) // plan.tick) * plan.tick
    rows = np.flatnonzero(_calendar(plan)[limits] & ever)
    if len(rows):
        low, high = ticks[rows] // plan.tick, (ticks[rows] + _SEARCHED) // plan.tick
        while (high - low > 1).any():  # numbers of calendar periods ascend
            middle = (low + high) // 2
            numbers = _marks_at(plan.limits, limits[rows], middle * plan.tick, zones.names, zone[rows])
            later = numbers > marks[rows]
            low, high = np.where(later, low, middle), np.where(later, middle, high)
        opens[rows] = high * plan.tick
    return opens


def _calendar(plan: OfferPlan) -> Bools:
    return np.array([limit.by_calendar for limit in plan.limits], np.bool_)


def _zoned(plan: OfferPlan, limits: Ints, zones: int) -> tuple[Ints | slice, Ints]:
    """Return rows again for each zone where the limit is by calendar: the rows and the index of the zone."""
    if zones == 1 or not _calendar(plan).any():
        return slice(None), np.zeros(len(limits), np.int64)
    sizes = np.where(_calendar(plan)[limits], zones, 1)
    return np.repeat(np.arange(len(limits)), sizes), spread(np.zeros(len(limits), np.int64), sizes)


def _marks(plan: OfferPlan, reservations: pl.DataFrame, zones: Zones, size: int) -> tuple[Ints, Ints, Ints]:
    """Return cell, mark and row of all that reservations count towards, by tick; a limit has `size` cells a zone."""
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
    by_tick = np.argsort(reservations["tick"].to_numpy()[row[here[rows]]], kind="stable")
    here, zone = here[rows][by_tick], zone[by_tick]
    row, limit, whose = (each[here] for each in (row, limit, whose))
    ticks = reservations["tick"].to_numpy()[row]
    marks = _marks_at(plan.limits, limit, ticks, zones.names, zone)
    return (limit * size + whose) * len(zones.names) + zone, marks, row


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


def _marks_at(limits: Sequence[Limit], which: Ints, ticks: Ints, zones: Sequence[str], zone: Ints) -> Ints:
    """Return how the limit `which` marks each tick: by itself, or by the number of the local day, week or month.

    A rolling period P at tick T counts (T - P, T], a calendar period the local day, week (from Monday) or month
    of T, where the local time is that of the zone with the index `zone`. So marks up to that of T, less the length
    of the limit, do not count at T.
    """
    marks = ticks.copy()
    for unit in {limit.period for limit in limits if isinstance(limit.period, str)}:
        of_unit = np.array([limit.period == unit for limit in limits], np.bool_)[which]
        for number, name in enumerate(zones):
            rows = np.flatnonzero(of_unit & (zone == number) if len(zones) > 1 else of_unit)
            marks[rows] = _calendar_number(ticks[rows], unit, name)
    return marks


def _length(limit: Limit) -> int:
    """Return how far marks are seen: milliseconds, or one day, week or month."""
    return 1 if isinstance(limit.period, str) else limit.period


def _calendar_number(ticks: Ints, unit: str, time_zone: str) -> Ints:
    """Number the local day, week or month of each tick; unlike its start, it exists whatever the clocks do."""
    if not len(ticks):
        return ticks
    minutes = ticks // MINUTE
    first, last = minutes.min(), minutes.max()
    if len(ticks) > (every := last - first + 1):  # clocks change on the minute
        return _calendar_number((first + np.arange(every)) * MINUTE, unit, time_zone)[minutes - first]
    local = ticks + local_offsets([time_zone], np.zeros(len(ticks), np.int64), ticks)[0]
    days = local // DAY
    if unit == "month":
        return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return days if unit == "day" else (days + 3) // 7  # the first Monday was the fifth day
