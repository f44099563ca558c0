"""Arbitration: which trigger of a contact root goes first, and what each may still send when its turn comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from transforms.arrays.arrow_columns import Bools, Ints, changes, spread
from transforms.arrays.in_time import FOREVER
from transforms.compiler.offer_definitions import FIRST_LIMIT, UNKNOWN_ZONE, OfferPlan
from transforms.decision.gates import GateResults
from transforms.decision.ledger import NEVER
from transforms.decision.limits import Checks, lay_out_checks, opens_of
from transforms.decision.zones import Zones

_LAST = np.iinfo(np.int64).max
"""Comes after all keys."""


@dataclass(frozen=True)
class Verdicts:
    """What became of the triggers and their candidates.

    Attributes:
        chosen: For each trigger the row of the candidate that is sent, -1 for none.
        outranked: For each trigger whether earlier ones of its root and tick took away all that it could have sent.
        gates: What every candidate met when the turn of its trigger came.
    """

    chosen: Ints
    outranked: Bools
    gates: GateResults


def arbitrate(
    plan: OfferPlan,
    triggers: pl.DataFrame,
    reservations: pl.DataFrame,
    candidates: pl.DataFrame,
    gates: GateResults,
    zones: Zones,
) -> Verdicts:
    """Decide triggers in their order: each sends its best candidate that the reservations before it let pass.

    The order of the triggers of one root: tick, tier of the best eligible candidate, its value descending, decision
    id. A trigger is outranked if a candidate of it passed every gate before the first of its root and tick was
    decided, and none does when its turn comes.

    Args:
        plan: The offers and limits.
        triggers: Columns root (a number) and `COUNTED` as `number_roots` gives them, tick (milliseconds), decision_id,
            alone (whether its group is too large: no limit of a group blocks it).
        reservations: Columns `COUNTED`, those of `Contact`, tick, rejected: what limits can see of these roots.
        candidates: What `rank_candidates` gives for the triggers.
        gates: What the candidates met at the gates that do not count; those that do are added.
        zones: Where the recipients are.
    """
    turns, rounds = _take_turns(triggers, candidates)
    sizes = np.bincount(candidates["trigger"].to_numpy(), minlength=len(turns))
    rows = spread((np.cumsum(sizes) - sizes)[turns], sizes[turns])  # of the candidates, in the order of their turns
    open_: Bools = np.all(gates.reasons < 0, axis=1)[rows]
    turn = np.repeat(np.arange(len(turns)), sizes[turns])
    asks = triggers.with_columns(zone=pl.Series(zones.of_row))[turns]
    checks = lay_out_checks(plan, asks, candidates[rows].with_columns(turn=turn), reservations, zones)
    arbiter = _Arbiter(sizes[turns], open_, checks)
    for bounds in rounds:
        arbiter.decide(bounds)
    chosen, outranked = np.full(len(turns), -1), np.zeros(len(turns), np.bool_)
    sent = arbiter.chosen >= 0
    chosen[turns[sent]] = rows[arbiter.chosen[sent]]
    outranked[turns] = arbiter.could & ~sent
    _enter_limits(plan, gates, rows, asks, arbiter, zones)
    return Verdicts(chosen, outranked, gates)


def _take_turns(triggers: pl.DataFrame, candidates: pl.DataFrame) -> tuple[Ints, list[list[int]]]:
    """Order the triggers so that those of different roots are decided at once.

    Returns:
        The rows of the triggers: the first trigger in the first tick of every root, the second in the first, …, the
        first in the second, …; and for each k the bounds of the turns in the k-th tick.
    """
    root, tick = triggers["root"].to_numpy(), triggers["tick"].to_numpy()
    ordered = np.lexsort((_place(triggers["decision_id"]), *_best(candidates, len(triggers)), tick, root))
    new_root = changes(root[ordered])
    new_tick = new_root | changes(tick[ordered])
    at = np.arange(len(ordered))
    turn = at - np.maximum.accumulate(np.where(new_tick, at, 0))
    ticks = np.cumsum(new_tick)
    kth: Ints = ticks - np.maximum.accumulate(np.where(new_root, ticks, 0))
    order = np.lexsort((turn, kth))
    bounds = np.append(np.flatnonzero(changes(kth[order]) | changes(turn[order])), len(order))
    firsts = np.append(np.flatnonzero(changes(kth[order[bounds[:-1]]])), len(bounds) - 1)
    rounds = [bounds[first : last + 1].tolist() for first, last in pairwise(firsts)]
    return ordered[order], rounds


def _best(candidates: pl.DataFrame, triggers: int) -> tuple[Ints, Ints]:
    """Return what orders triggers by their best eligible candidate, the lesser key first: value, then tier."""
    trigger = candidates["trigger"].to_numpy()
    best = np.flatnonzero(changes(trigger) & candidates["ineligible"].is_null().to_numpy())
    value, tier = np.full(triggers, _LAST), np.full(triggers, _LAST)
    value[trigger[best]] = -candidates["value_micros"].gather(best).to_numpy()
    tier[trigger[best]] = candidates["priority"].gather(best).to_numpy()
    return value, tier


def _place(texts: pl.Series) -> Ints:
    """Return the place of each text in their order."""
    places = np.empty(len(texts), np.int64)
    places[texts.arg_sort().to_numpy()] = np.arange(len(texts))
    return places


def _enter_limits(
    plan: OfferPlan, gates: GateResults, rows: Ints, asks: pl.DataFrame, arbiter: "_Arbiter", zones: Zones
) -> None:
    """Enter which limit blocks each candidate at the gates that count: of several the first; and when all open."""
    checks, shut = arbiter.checks, np.flatnonzero(arbiter.blocked)
    tick, theirs = (asks[name].to_numpy()[checks.turn[shut]] for name in ("tick", "zone"))
    opens, reason = np.full(len(checks.limit), FOREVER), FIRST_LIMIT + checks.limit
    if any(offer.wait for offer in plan.offers):
        opens[shut] = opens_of(plan, checks.limit[shut], arbiter.marks[shut], tick, zones, checks.zone[shut])
    calendar = np.array([one.by_calendar for one in plan.limits], np.bool_)[checks.limit[shut]]
    reason[shut[calendar & (theirs < 0)]] = UNKNOWN_ZONE
    blocks = np.flatnonzero(arbiter.blocked[checks.check])[::-1]  # the last to be written is the first limit
    check, row = checks.check[blocks], rows[checks.candidate[blocks]]
    gate = np.array([limit.gate for limit in plan.limits], np.int64)[checks.limit[check]]
    np.maximum.at(gates.opens, (row, gate), opens[check])
    gates.reasons[row, gate] = reason[check]


class _Arbiter:
    """Decides turns; triggers, candidates and checks are laid out in the order of the turns."""

    def __init__(self, sizes: Ints, open_: Bools, checks: Checks) -> None:
        self.chosen = np.full(len(sizes), -1)
        self.could = np.zeros(len(sizes), np.bool_)
        self.blocked = np.zeros(len(checks.limit), np.bool_)
        self.marks = np.full(len(checks.limit), NEVER)  # what blocks
        self.checks = checks
        self._open = open_  # past the gates that do not count
        self._turn = np.repeat(np.arange(len(sizes)), sizes)
        self._candidates = np.append(0, np.cumsum(sizes))
        self._counted = np.searchsorted(checks.candidate, np.arange(len(open_) + 1))
        self._checks = np.searchsorted(checks.turn, np.arange(len(sizes) + 1))
        self._added = np.searchsorted(checks.added, np.arange(len(checks.limit) + 1))

    def decide(self, bounds: Sequence[int]) -> None:
        """Decide one tick of many roots, given the bounds of its first triggers, its second, and so on."""
        if len(bounds) > 2:
            self.could[self._turn[self._passing(bounds[0], bounds[-1])]] = True
        for start, stop in pairwise(bounds):
            passing = self._passing(start, stop)
            sent = passing[changes(self._turn[passing])]
            self.chosen[self._turn[sent]] = sent
            counts = self.checks.check[_ranges(self._counted, sent)]
            added = _ranges(self._added, counts)
            self.checks.ledger.reserve(self.checks.added_cell[added], self.checks.added_mark[added])

    def _passing(self, start: int, stop: int) -> Ints:
        """Return the candidates of the turns from `start` to `stop` that pass every gate now; note what blocks."""
        checks, these = self.checks, slice(self._checks[start], self._checks[stop])
        self.marks[these] = checks.ledger.latest(checks.cell[these], checks.nth[these])
        self.blocked[these] = self.marks[these] > checks.floor[these]
        first, last = self._candidates[start], self._candidates[stop]
        counted = slice(self._counted[first], self._counted[last])
        passes = self._open[first:last].copy()
        passes[checks.candidate[counted][self.blocked[checks.check[counted]]] - first] = False
        return first + np.flatnonzero(passes)


def _ranges(bounds: Ints, numbers: Ints) -> Ints:
    """Return what lies between the bounds of each number."""
    return spread(bounds[numbers], bounds[numbers + 1] - bounds[numbers])
