"""Arbitration: who goes first among the triggers of one contact root, and what each may still send."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from transforms.decision.columns import Bools, Ints, changes, spread
from transforms.decision.definitions import ELIGIBILITY, FIRST_LIMIT, GATES, Contact, OfferPlan
from transforms.decision.ledger import Ledger, counted, marks_and_floors

_ORDER = ("root", "tick", "priority", "value_micros", "decision_id")


@dataclass(frozen=True)
class Verdicts:
    """What became of the triggers and their candidates.

    Attributes:
        chosen: For each trigger the row of the candidate that is sent, -1 for none.
        outranked: For each trigger whether earlier ones of its root and tick took away all that it could have sent.
        reasons: For each candidate and gate the index of the reason in `plan.reasons`, -1 for passed.
    """

    chosen: Ints
    outranked: Bools
    reasons: Ints


def arbitrate(
    plan: OfferPlan, triggers: pl.DataFrame, reservations: pl.DataFrame, candidates: pl.DataFrame
) -> Verdicts:
    """Decide triggers in their order: each sends its best candidate that the reservations before it let pass.

    The order of the triggers of one root: tick, tier of the best eligible candidate, its value descending, decision
    id. A trigger is outranked if a candidate of it passed every gate before the first of its root and tick was
    decided, and none does when its turn comes.

    Args:
        plan: The offers and limits.
        triggers: Columns root (number of the contact root), tick (milliseconds), decision_id.
        reservations: Columns root, offer, family, channel, tick: what limits can see of these roots.
        candidates: What `rank_candidates` gives for the triggers.
    """
    turns, rounds = _take_turns(triggers, candidates)
    sizes = np.bincount(candidates["trigger"].to_numpy(), minlength=len(turns))
    rows = spread((np.cumsum(sizes) - sizes)[turns], sizes[turns])  # of the candidates, in the order of their turns
    eligible = candidates["ineligible"].is_null().to_numpy()[rows]
    checks = _checks(plan, triggers, candidates[rows], reservations)
    arbiter = _Arbiter(sizes[turns], eligible, checks)
    for bounds in rounds:
        arbiter.decide(bounds)
    chosen, outranked = np.full(len(turns), -1), np.zeros(len(turns), np.bool_)
    sent = arbiter.chosen >= 0
    chosen[turns[sent]] = rows[arbiter.chosen[sent]]
    outranked[turns] = arbiter.could & ~sent
    reasons = np.full((len(rows), len(GATES)), -1)
    reasons[:, ELIGIBILITY] = candidates["ineligible"].fill_null(-1).to_numpy()
    blocked = np.flatnonzero(arbiter.blocked)[::-1]  # backwards: the first limit of a gate is what it shows
    limit = checks.limit[blocked]
    gates = np.array([limit.gate for limit in plan.limits], np.int64)
    reasons[rows[checks.candidate[blocked]], gates[limit]] = FIRST_LIMIT + limit
    return Verdicts(chosen, outranked, reasons)


def _take_turns(triggers: pl.DataFrame, candidates: pl.DataFrame) -> tuple[Ints, list[list[int]]]:
    """Order the triggers so that those of different roots are decided at once.

    Returns:
        The rows of the triggers: the first trigger in the first tick of every root, the second in the first, …, the
        first in the second, …; and for each k the bounds of the turns in the k-th tick.
    """
    best = candidates.filter(pl.col("ineligible").is_null()).unique("trigger", keep="first")
    ordered = (
        triggers.select(pl.int_range(pl.len()).alias("trigger"), "root", "tick", "decision_id")
        .join(best.select("trigger", "priority", "value_micros"), on="trigger", how="left")
        .sort(_ORDER, descending=[name == "value_micros" for name in _ORDER], nulls_last=True)
    )
    new_root = changes(ordered["root"].to_numpy())
    new_tick = new_root | changes(ordered["tick"].to_numpy())
    at = np.arange(len(ordered))
    turn = at - np.maximum.accumulate(np.where(new_tick, at, 0))
    ticks = np.cumsum(new_tick)
    kth: Ints = ticks - np.maximum.accumulate(np.where(new_root, ticks, 0))
    order = np.lexsort((turn, kth))
    bounds = np.append(np.flatnonzero(changes(kth[order]) | changes(turn[order])), len(order))
    firsts = np.append(np.flatnonzero(changes(kth[order[bounds[:-1]]])), len(bounds) - 1)
    rounds = [bounds[first : last + 1].tolist() for first, last in pairwise(firsts)]
    return ordered["trigger"].to_numpy()[order], rounds


@dataclass(frozen=True)
class _Checks:
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


def _checks(plan: OfferPlan, triggers: pl.DataFrame, candidates: pl.DataFrame, reservations: pl.DataFrame) -> _Checks:
    """Lay out the checks of candidates in the order of their turns, and the ledger they look at."""
    roots = triggers["root"].to_numpy()
    size = int(roots.max(initial=-1)) + 1
    candidate, limit = counted(plan.contacts, candidates["contact"].to_numpy(), plan.limits)
    trigger = candidates["trigger"].to_numpy()[candidate]
    mark, floor = marks_and_floors(plan.limits, limit, triggers["tick"].to_numpy()[trigger], plan.time_zone)
    cell = limit * size + roots[trigger]
    ledger = _ledger(plan, reservations, cell, size)
    nth = np.array([limit.max for limit in plan.limits], np.int64)[limit]
    return _Checks(candidate, limit, cell, nth, mark, floor, ledger)


def _ledger(plan: OfferPlan, reservations: pl.DataFrame, room: Ints, size: int) -> Ledger:
    """Enter the reservations of `size` roots."""
    names = reservations.select(Contact._fields)
    contacts = names.unique().with_row_index("contact")
    which = names.join(contacts, on=Contact._fields, how="left", maintain_order="left")["contact"]
    row, limit = counted([Contact(*names) for names in contacts.drop("contact").rows()], which.to_numpy(), plan.limits)
    marks, _ = marks_and_floors(plan.limits, limit, reservations["tick"].to_numpy()[row], plan.time_zone)
    return Ledger(limit * size + reservations["root"].to_numpy()[row], marks, room, len(plan.limits) * size)


class _Arbiter:
    """Decides turns; triggers, candidates and checks are laid out in the order of the turns."""

    def __init__(self, sizes: Ints, eligible: Bools, checks: _Checks) -> None:
        self.chosen = np.full(len(sizes), -1)
        self.could = np.zeros(len(sizes), np.bool_)
        self.blocked = np.zeros(len(checks.cell), np.bool_)
        self._eligible = eligible
        self._checks = checks
        self._turn = np.repeat(np.arange(len(sizes)), sizes)
        self._candidates = np.append(0, np.cumsum(sizes))
        self._bounds = np.searchsorted(checks.candidate, np.arange(len(eligible) + 1))

    def decide(self, bounds: Sequence[int]) -> None:
        """Decide one tick of many roots, given the bounds of its first triggers, its second, and so on."""
        if len(bounds) > 2:
            self.could[self._turn[self._passing(bounds[0], bounds[-1])]] = True
        for start, stop in pairwise(bounds):
            passing = self._passing(start, stop)
            sent = passing[changes(self._turn[passing])]
            self.chosen[self._turn[sent]] = sent
            counts = spread(self._bounds[sent], self._bounds[sent + 1] - self._bounds[sent])
            self._checks.ledger.reserve(self._checks.cell[counts], self._checks.mark[counts])

    def _passing(self, start: int, stop: int) -> Ints:
        """Return the candidates of the turns from `start` to `stop` that pass every gate now; note what blocks."""
        first, last = self._candidates[start], self._candidates[stop]
        these = slice(self._bounds[first], self._bounds[last])
        checks = self._checks
        self.blocked[these] = checks.ledger.latest(checks.cell[these], checks.nth[these]) > checks.floor[these]
        passes = self._eligible[first:last].copy()
        passes[checks.candidate[these][self.blocked[these]] - first] = False
        return first + np.flatnonzero(passes)
