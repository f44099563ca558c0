"""Answering: triggers are decided tick by tick in each ledger, those of many roots at once."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.arrow_columns import Bools, Ints, changes, numbered, replaced
from transforms.arrays.in_time import FOREVER
from transforms.arrays.plain_arrow import framed
from transforms.compiler.offer_definitions import CAME_IN, HAS_MOVED, SEGMENT_EXITED, OfferPlan
from transforms.decision.answers import Answers
from transforms.decision.arbitration import arbitrate
from transforms.decision.candidates import rank_candidates
from transforms.decision.contacts import contacts_of, first_ticks
from transforms.decision.deferral import deferrals_of, is_published, look_again
from transforms.decision.gates import look_at_gates, note_stopped
from transforms.decision.ledger_state import RESERVATION
from transforms.decision.memberships import has_left, has_moved, scope_of, stand_alone
from transforms.decision.notices import Notices
from transforms.decision.recipient_profiles import profiles_of
from transforms.decision.records import decision_records, unnumbered_schema, withdrawal_records
from transforms.decision.roots import number_roots, own_roots
from transforms.decision.withdrawal import lapsing_after, withdrawals_of
from transforms.decision.zones import zones_of

_AT_ONCE = 4
"""Entries of a root that are decided at once where some may have to be decided again."""
_ORDER = [(name, "ascending") for name in ("tick", "subject_kind", "subject", "decision_id", "n")]


@dataclass
class Answering:
    """Decides, those of many roots and ticks at once, as far as nothing comes between.

    Attributes:
        plan: The offers and limits.
        closed: The last tick before, -1 for none.
        renewed: Whether that was decided under another version.
        upto: The last tick.
        taken: What `take_facts` gives.
        notices: What contact roots were told.
        reservations: As RESERVATION; those that are made are added.
        waiting: Who waits, as `entry_schema`.
        published: How many went to own channels first, and are answered again when that lapses.
    """

    plan: OfferPlan
    closed: int
    renewed: bool
    upto: int
    taken: pl.DataFrame
    notices: Notices
    reservations: pa.Table
    waiting: pa.Table

    def __post_init__(self) -> None:
        self._contacts = contacts_of(self.plan, self.notices, self.reservations)
        self.published = 0

    @property
    def due(self) -> pl.DataFrame:
        """When something waits no longer, or lapses, as far as that is known: root_kind, root, tick."""
        waits = framed(self.waiting.select(["root_kind", "root"])).with_columns(tick=self._looks(self.waiting))
        lapsing = lapsing_after(self.plan, self.reservations, self.notices, self.upto)
        return pl.concat([waits.filter(pl.col("tick") < FOREVER), lapsing])

    def decide(self, triggers: pa.Table) -> pa.Table:
        """Return the decisions of triggers, and of those that waited."""
        made, pool = [], triggers
        while len(entries := pa.concat_tables([pool, (again := self._again())[0]])):
            settled, waits, decisions = self._settle(entries)
            made.append(decisions)
            fresh = settled[: len(pool)]
            still = np.ones(len(self.waiting), np.bool_)
            still[again[1][settled[len(pool) :]]] = False
            pool = pool.filter(pa.array(~fresh))
            self.waiting = pa.concat_tables([self.waiting.filter(pa.array(still)), waits])
        if not made:
            return unnumbered_schema(self.plan).empty_table()
        if len(made) == 1 and len(made[0]) == len(triggers):  # in their order
            return made[0]
        return pa.concat_tables(made).sort_by(_ORDER)

    def withdraw(self, decisions: pa.Table) -> pa.Table:
        """Return decisions with the withdrawals of what was offered."""
        span = (self.closed, self.upto)
        anew = self.closed + self.plan.tick if self.renewed else None
        gone = withdrawals_of(self.plan, self.reservations, self.notices, self._contacts, span, anew)
        if gone.is_empty():
            return decisions
        rows = gone["row"].to_numpy()
        records = withdrawal_records(self.plan, self.reservations.take(rows), gone)
        withdrawn = self.reservations["withdrawn"].to_numpy().copy()
        withdrawn[rows] = True
        self.reservations = replaced(self.reservations, "withdrawn", pa.array(withdrawn)).cast(RESERVATION)
        return pa.concat_tables([decisions, records]).sort_by(_ORDER)

    def _again(self) -> tuple[pa.Table, Ints]:
        """Return who waits and is looked at again up to the last tick, at that tick; and their rows in `waiting`."""
        looks = self._looks(self.waiting)
        rows = np.flatnonzero(looks <= self.upto)
        found = self.waiting.take(rows)
        return replaced(found, "tick", pa.array(looks[rows])), rows

    def _looks(self, waiting: pa.Table) -> Ints:
        if not len(waiting):
            return np.empty(0, np.int64)
        seen = np.maximum(waiting["tick"].to_numpy(), self.closed)  # another version may see more of what was
        waiting = replaced(waiting, "tick", pa.array(seen))
        return look_again(self.plan, waiting, self.notices, self._contacts, self.reservations, self.taken)

    def _settle(self, entries: pa.Table) -> tuple[Bools, pa.Table, pa.Table]:
        """Decide what nothing can come between: no change of a ledger, and nobody who waits.

        Returns:
            Which entries are settled, those of them that wait from now on, and the decisions.
        """
        roots = numbered(entries["root_kind"], entries["root"])
        ticks = entries["tick"].to_numpy()
        settled = ticks < self._barriers(entries, roots, ticks)[roots]
        answers = self._answer(entries.filter(pa.array(settled)))
        waits = answers.waiting
        cut = np.full(len(entries), FOREVER)
        np.minimum.at(cut, roots[settled][answers.waits], self._looks(waits))
        self._cut_at_goals(cut, roots[settled], answers)
        if (beyond := settled & (ticks >= cut[roots])).any():
            answers = answers.only(~beyond[settled])
            settled &= ~beyond
            waits = answers.waiting
        self.reservations = pa.concat_tables([self.reservations, answers.reserved])
        self.published += int(answers.published.sum())
        return settled, waits, decision_records(answers)

    def _cut_at_goals(self, cut: Ints, roots: Ints, answers: Answers) -> None:
        """Bring the ticks forward up to which to decide at once: the goal of what is made now may be reached later."""
        if not self._contacts.goals.reached.is_empty():
            made = np.flatnonzero(answers.contact >= 0)
            np.minimum.at(cut, roots[made], self._contacts.goals.reached_at(framed(answers.reserved)))

    def _barriers(self, entries: pa.Table, roots: Ints, ticks: Ints) -> Ints:
        """Return for each root (a number) up to which tick to decide at once.

        That is where its ledger changes next without a decision; where somebody may wait, no more than a few entries,
        for what comes after a wait is to be decided again.
        """
        waits = self.plan.waits or self.plan.follows.any()
        barriers = _ends(roots, ticks) if waits else np.full(len(entries), FOREVER)
        if self._contacts.silent:
            return barriers
        at = first_ticks(entries)
        np.minimum.at(barriers, roots[at["row"].to_numpy()], self._contacts.changes_after(at, self.reservations))
        within = [*self.plan.valid_for[self.plan.is_inbound].tolist(), self._contacts.within or FOREVER]
        if min(within) < FOREVER:
            np.minimum.at(barriers, roots, ticks + min(within))
        return barriers

    def _answer(self, entries: pa.Table) -> Answers:
        """Decide entries, in their order in each ledger."""
        plan, alone = self.plan, stand_alone(entries, self.taken)
        cancelled = self._cancelled(entries)
        reached = pc.if_else(pa.array(cancelled >= 0), None, entries["recipient"])
        scope = scope_of(plan, entries, self.taken)
        asked = own_roots(replaced(entries, "recipient", reached), alone)
        candidates = rank_candidates(plan, asked, scope, self._contacts.goals.stopped(entries, alone))
        profiles = profiles_of(plan, entries, self.notices)
        zones = zones_of(plan, profiles["zone"])
        gates = look_at_gates(plan, entries, candidates, self.notices, profiles["channels"], zones)
        note_stopped(self._contacts.goals, gates, entries, alone, candidates)
        counted = self._contacts.counted_at(entries, self.reservations)
        numbers = number_roots(entries, counted, alone)
        verdicts = arbitrate(plan, *numbers, candidates, gates, zones)
        deferrals = deferrals_of(plan, entries, candidates, verdicts)
        return Answers(plan, entries, alone, cancelled, candidates, verdicts, deferrals, scope, profiles, self.notices)

    def _cancelled(self, entries: pa.Table) -> Ints:
        """Return why nothing waits any more, as index of the reason, or -1.

        The segment ended, the recipient moved, or the customer came in.
        """
        found = np.full(len(entries), -1)
        rows = np.flatnonzero(entries["n"].to_numpy() > 0)
        if len(rows):
            waited = entries.take(rows)
            if (out := is_published(waited)).any():
                found[rows[out & self._contacts.came_in(waited, self.reservations)]] = CAME_IN
            found[rows[has_moved(waited, self.taken)]] = HAS_MOVED
            of_segment = pc.is_in(waited["trigger"], pa.array(sorted(self.plan.held), pa.string())).to_numpy()
            found[rows[of_segment & has_left(waited, self.taken)]] = SEGMENT_EXITED
        return found


def _ends(roots: Ints, ticks: Ints) -> Ints:
    """Return for each root (a number) the tick of the entry after its first few, but one after that of the first."""
    order = np.lexsort((ticks, roots))
    starts = np.flatnonzero(changes(roots[order]))
    sizes = np.diff(np.append(starts, len(order)))
    ends = np.full(len(roots), FOREVER)
    long = sizes > _AT_ONCE
    after = ticks[order[starts[long] + _AT_ONCE]]
    ends[roots[order[starts[long]]]] = np.maximum(after, ticks[order[starts[long]]] + 1)
    return ends
