"""Arbitration: which trigger of a contact root goes first, and what each may still send when its turn comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.arrays.arrow_columns import Bools, Ints, changes, spread
from transforms.arrays.in_time import FOREVER
from transforms.compiler.offer_definitions import FIRST_LIMIT, GATES, SUBJECT, UNKNOWN_ZONE, OfferPlan
from transforms.decision.exploration import Exploration, Floats, exploration_of
from transforms.decision.gate_results import GateResults
from transforms.decision.goals import EARLIEST
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

    def only(self, kept: Bools, places: Ints, candidates: Bools) -> "Verdicts":
        """Return those of some triggers and of their candidates; `places` is where each candidate is then."""
        propensity = None if self.propensity is None else self.propensity[kept]
        chosen, gates = places[self.chosen[kept]], self.gates.only(candidates)
        return Verdicts(chosen, self.outranked[kept], gates, propensity)


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
        triggers: Columns root (a number) and `COUNTED` as `number_roots` gives them, tick (milliseconds), own_tick,
            decision_id, alone (whether its group is too large: no limit of a group blocks it).
        reservations: Columns `COUNTED`, those of `Contact`, tick, counts, rejected, reached, by, since: what limits
            can see of these roots.
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
    contact = candidates["contact"].to_numpy()[rows]
    checks = lay_out_checks(plan, asks, turn, contact, reservations, zones)
    explores = exploration_of(plan, asks["decision_id"], turn, candidates[rows]) if plan.explore else None
    arbiter = _Arbiter(sizes[turns], open_, contact, checks, len(reservations), explores)
    for bounds in rounds:
        arbiter.decide(bounds)
    chosen, outranked = np.full(len(turns), -1), np.zeros(len(turns), np.bool_)
    sent = arbiter.chosen >= 0
    chosen[turns[sent]] = rows[arbiter.chosen[sent]]
    outranked[turns] = arbiter.could & ~sent
    _enter_limits(plan, gates, rows, asks, reservations, arbiter, zones)
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
    plan: OfferPlan,
    gates: GateResults,
    rows: Ints,
    asks: pl.DataFrame,
    reservations: pl.DataFrame,
    arbiter: "_Arbiter",
    zones: Zones,
) -> None:
    """Enter which limit blocks each candidate at the gates that count, and when all open.

    Of several limits it is the first of those that are shut for longer than the trigger waits, else the first.

    Args:
        plan: The limits; those of a gate lie side by side.
        gates: To enter it there.
        rows: Of each candidate, in the order of the turns, its row there.
        asks: The triggers in that order, as `lay_out_checks`.
        reservations: As `arbitrate` was given them.
        arbiter: When all is decided.
        zones: Those that occur.
    """
    checks, shut = arbiter.checks, np.flatnonzero(arbiter.blocked)
    if not len(shut):
        return
    tick, theirs = (asks[name].to_numpy()[checks.turn[shut]] for name in ("tick", "zone"))
    opens, reason = np.full(len(checks.limit), FOREVER), FIRST_LIMIT + checks.limit
    if any(offer.wait for offer in plan.offers):
        opens[shut] = opens_of(plan, checks.limit[shut], arbiter.marks(shut), tick, zones, checks.zone[shut])
    calendar = np.array([one.by_calendar for one in plan.limits], np.bool_)[checks.limit[shut]]
    reason[shut[calendar & (theirs < 0)]] = UNKNOWN_ZONE
    each, whose = _contacts(asks, reservations), np.full(len(checks.limit), -1)
    filled = shut[checks.nth[shut] > 0]
    whose[filled] = arbiter.whose(filled, each)
    candidate, check = arbiter.hits()
    gate = np.array([limit.gate for limit in plan.limits], np.int64)[checks.limit[check]]
    first = np.flatnonzero(changes(candidate * len(GATES) + gate))
    row, at = rows[candidate[first]], gate[first]
    last = asks["own_tick"].to_numpy()[checks.turn[check]] + arbiter.waits(plan, candidate)
    why = check[_leading(opens[check] > last, first)]
    until = np.maximum.reduceat(opens[check], first)
    gates.shut(at, row, reason[why], np.maximum(gates.opens[row, at], until))
    named = whose[why] >= 0
    by = each[whose[why[named]]]
    gates.note(at[named], row[named], by["by"], by["since"].to_numpy())
    of_goal = np.array([limit.reached for limit in plan.limits], np.bool_)[checks.limit[why]]
    if of_goal.any():
        notices = _goals(plan, asks, reservations, checks, why[of_goal])
        gates.note(at[of_goal], row[of_goal], notices["id"], notices["time"].to_numpy())


def _leading(marked: Bools, starts: Ints) -> Ints:
    """Return of each run of rows, given where these start, the first that is marked, else the first."""
    at = np.minimum.reduceat(np.where(marked, np.arange(len(marked)), len(marked)), starts)
    found: Ints = np.where(at < len(marked), at, starts)
    return found


def _goals(plan: OfferPlan, asks: pl.DataFrame, reservations: pl.DataFrame, checks: Checks, rows: Ints) -> pl.DataFrame:
    """Return for some checks of goals the earliest notice that one was reached which still shuts out: its columns."""
    offers = pl.Series([(one.offer or ("",))[0] for one in plan.limits])
    asked = asks[checks.turn[rows]].select(SUBJECT).with_row_index("row")
    asked = asked.with_columns(offer=offers[checks.limit[rows]], after=pl.Series(checks.floor[rows]))
    done = reservations.filter("reached").select(SUBJECT, "offer", "tick", pl.col("goal").struct.unnest())
    lately = asked.join(done, [SUBJECT, "offer"]).filter(pl.col("tick") > pl.col("after"))
    return lately.sort("row", *EARLIEST).unique("row", keep="first", maintain_order=True)


def _contacts(triggers: pl.DataFrame, reservations: pl.DataFrame) -> pl.DataFrame:
    """Return tick, by and since of all that a ledger may count: what is reserved, then what triggers may reserve."""
    made = triggers.select("tick", by="decision_id", since="tick")
    return pl.concat([reservations.select(made.columns), made])


class _Arbiter:
    """Decides turns; triggers, candidates and checks are laid out in the order of the turns."""

    def __init__(
        self, sizes: Ints, open_: Bools, contact: Ints, checks: Checks, reserved: int, explores: Exploration | None
    ) -> None:
        self.chosen = np.full(len(sizes), -1)
        self.could = np.zeros(len(sizes), np.bool_)
        self.blocked = np.zeros(len(checks.limit), np.bool_)
        self.checks = checks
        self._places = np.zeros(len(checks.limit), np.int64)  # of the marks that were looked at
        self._reserved = reserved  # the turns are numbered from there on
        self._explores = explores
        self._open = open_  # past the gates that do not count
        self._turn = np.repeat(np.arange(len(sizes)), sizes)
        self._candidates = np.append(0, np.cumsum(sizes))
        self._contact = contact
        self._counts = np.packbits(checks.counts, axis=0)  # limits, eight to a byte
        self._shut = np.zeros((len(self._counts), len(sizes)), np.uint8)  # likewise: those that block
        self._keys = checks.turn * len(checks.counts) + checks.limit
        self._added = np.append(0, np.cumsum(np.bincount(checks.added, minlength=len(checks.limit))))

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
            row, limit = np.nonzero(self.checks.counts.T[self._contact[sent]])
            added, checks = _ranges(self._added, self._check(self._turn[sent[row]], limit)), self.checks
            whose = self._reserved + checks.turn[checks.added[added]]
            checks.ledger.reserve(checks.added_cell[added], checks.added_mark[added], whose)

    def marks(self, checks: Ints) -> Ints:
        """Return the marks that some checks looked at."""
        return self.checks.ledger.marks(self.checks.cell[checks], self.checks.nth[checks], self._places[checks])

    def whose(self, checks: Ints, each: pl.DataFrame) -> Ints:
        """Return the number of the contact that has to go before some blocked checks let pass, see `Ledger.whose`."""
        cells, nth = self.checks.cell[checks], self.checks.nth[checks]
        return self.checks.ledger.whose(cells, nth, self._places[checks], each)

    def waits(self, plan: OfferPlan, candidates: Ints) -> Ints:
        """Return for how many milliseconds the offers of some candidates let a trigger wait for limits."""
        of_contact = np.array([plan.offers[number].wait for number in plan.offer_of], np.int64)
        found: Ints = of_contact[self._contact[candidates]]
        return found

    def _passing(self, start: int, stop: int) -> Ints:
        """Return the candidates of the turns from `start` to `stop` that pass every gate now; note what blocks."""
        checks = self.checks
        first, last = np.searchsorted(checks.turn, (start, stop))
        these = slice(first, last)
        cells, nth = checks.cell[these], checks.nth[these]
        self._places[these] = places = checks.ledger.places(cells, nth)
        self.blocked[these] = blocked = checks.ledger.marks(cells, nth, places) > checks.floor[these]
        shut = np.zeros((len(checks.counts), stop - start), np.bool_)
        shut[checks.limit[these][blocked], checks.turn[these][blocked] - start] = True
        self._shut[:, start:stop] = np.packbits(shut, axis=0)
        rows = slice(self._candidates[start], self._candidates[stop])
        return rows.start + np.flatnonzero(self._open[rows] & ~self._hits(rows).any(axis=0))

    def _hits(self, rows: slice | Ints) -> NDArray[np.uint8]:
        """Return which limits (eight to a byte) block each candidate."""
        return self._shut.take(self._turn[rows], axis=1) & self._counts.take(self._contact[rows], axis=1)

    def hits(self) -> tuple[Ints, Ints]:
        """Return each candidate that is blocked with each check that blocks it, in the order of both."""
        rows = np.flatnonzero(self._hits(slice(None)).any(axis=0))
        hit = np.unpackbits(self._hits(rows).T, axis=1, count=len(self.checks.counts))
        row, limit = np.nonzero(hit)
        return rows[row], self._check(self._turn[rows[row]], limit)

    def _check(self, turns: Ints, limits: Ints) -> Ints:
        """Return the check of each turn and limit."""
        return np.searchsorted(self._keys, turns * len(self.checks.counts) + limits)


def _ranges(bounds: Ints, numbers: Ints) -> Ints:
    """Return what lies between the bounds of each number."""
    return spread(bounds[numbers], bounds[numbers + 1] - bounds[numbers])
