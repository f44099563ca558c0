"""Limits: every one that counts a candidate, and the ledger it looks at."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from schemas.playbook_levels import GROUPS
from transforms.arrays.arrow_columns import Ints, numbered
from transforms.compiler.offer_definitions import COUNTED, Contact, OfferPlan
from transforms.decision.ledger import Ledger, counted, marks_and_floors

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
