"""Arbitration: which trigger of a contact root goes first, and what each may still send when its turn comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from transforms.arrays.arrow_columns import Bools, Ints, changes, spread
from transforms.arrays.in_time import FOREVER
from transforms.compiler.offer_definitions import FIRST_LIMIT, UNKNOWN_ZONE, OfferPlan
from transforms.decision.exploration import Exploration, Floats, exploration_of
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
        propensity: For each trigger the probability of what it sends, where some family explores; None: it is 1.
    """

    chosen: Ints
    outranked: Bools
    gates: GateResults
    propensity: Floats | None = None


def arbitrate(
    plan: OfferPlan,
    triggers: pl.DataFrame,
    reservations: pl.DataFrame,
    candidates: pl.DataFrame,
    gates: GateResults,
    zones: Zones,
) -> Verdicts:
    """Decide triggers in their order: each sends its best candidate that the reservations before it let pass.

    Where its family explores it may send another one that passes. The order of the triggers of one root: tick, tier of
    the best eligible candidate, its value descending, decision id. A trigger is outranked if a candidate of it passed
    every gate before the first of its root and tick was decided, and none does when its turn comes.

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
    checks = lay_out_checks(plan, triggers, candidates[rows], reservations, zones)
    turn = np.repeat(np.arange(len(turns)), sizes[turns])
    explores = exploration_of(plan, triggers["decision_id"][turns], turn, candidates[rows]) if plan.explore else None
    arbiter = _Arbiter(sizes[turns], open_, checks, explores)
    for bounds in rounds:
        arbiter.decide(bounds)
    chosen, outranked = np.full(len(turns), -1), np.zeros(len(turns), np.bool_)
    sent = arbiter.chosen >= 0
    chosen[turns[sent]] = rows[arbiter.chosen[sent]]
    outranked[turns] = arbiter.could & ~sent
    asked = triggers["tick"].to_frame().with_row_index("row")[candidates["trigger"].to_numpy()]
    _enter_limits(plan, gates, rows, asked, arbiter, zones)
    if explores is None:
        return Verdicts(chosen, outranked, gates)
    propensity = np.empty(len(turns))
    propensity[turns] = explores.propensity
    return Verdicts(chosen, outranked, gates, propensity)


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
    plan: OfferPlan, gates: GateResults, rows: Ints, asked: pl.DataFrame, arbiter: "_Arbiter", zones: Zones
) -> None:
    """Enter which limit blocks each candidate at the gates that count: of several the first; and when all open."""
    checks, blocked = arbiter.checks, np.flatnonzero(arbiter.blocked)[::-1]  # the last to be written is the first limit
    limit, row = checks.limit[blocked], rows[checks.candidate[blocked]]
    gate = np.array([limit.gate for limit in plan.limits], np.int64)[limit]
    opens = np.full(len(blocked), FOREVER)
    if plan.waits:
        opens = opens_of(
            plan, limit, arbiter.marks[blocked], asked["tick"].to_numpy()[row], zones, checks.zone[blocked]
        )
    np.maximum.at(gates.opens, (row, gate), opens)
    calendar = np.array([one.by_calendar for one in plan.limits], np.bool_)[limit]
    unknown = calendar & (zones.of_row[asked["row"].to_numpy()[row]] < 0)
    reasons = np.where(unknown, UNKNOWN_ZONE, FIRST_LIMIT + limit)
    gates.reasons[row, gate] = reasons


class _Arbiter:
    """Decides turns; triggers, candidates and checks are laid out in the order of the turns."""

    def __init__(self, sizes: Ints, open_: Bools, checks: Checks, explores: Exploration | None = None) -> None:
        self.chosen = np.full(len(sizes), -1)
        self.could = np.zeros(len(sizes), np.bool_)
        self.blocked = np.zeros(len(checks.cell), np.bool_)
        self.marks = np.full(len(checks.cell), NEVER)  # what blocks
        self.checks = checks
        self._explores = explores
        self._open = open_  # past the gates that do not count
        self._turn = np.repeat(np.arange(len(sizes)), sizes)
        self._candidates = np.append(0, np.cumsum(sizes))
        self._bounds = np.searchsorted(checks.candidate, np.arange(len(open_) + 1))

    def decide(self, bounds: Sequence[int]) -> None:
        """Decide one tick of many roots, given the bounds of its first triggers, its second, and so on."""
        if len(bounds) > 2:
            self.could[self._turn[self._passing(bounds[0], bounds[-1])]] = True
        for start, stop in pairwise(bounds):
            passing = self._passing(start, stop)
            sent = passing[changes(self._turn[passing])]  # the best of each
            if self._explores is not None:
                sent = self._explores.choose(passing, sent)
            self.chosen[self._turn[sent]] = sent
            counts = spread(self._bounds[sent], self._bounds[sent + 1] - self._bounds[sent])
            counts = counts[self.checks.adds[counts]]
            self.checks.ledger.reserve(self.checks.cell[counts], self.checks.mark[counts])

    def _passing(self, start: int, stop: int) -> Ints:
        """Return the candidates of the turns from `start` to `stop` that pass every gate now; note what blocks."""
        first, last = self._candidates[start], self._candidates[stop]
        these = slice(self._bounds[first], self._bounds[last])
        checks = self.checks
        self.marks[these] = checks.ledger.latest(checks.cell[these], checks.nth[these])
        self.blocked[these] = (self.marks[these] > checks.floor[these]) & checks.looks[these]
        passes = self._open[first:last].copy()
        passes[checks.candidate[these][self.blocked[these]] - first] = False
        return first + np.flatnonzero(passes)
