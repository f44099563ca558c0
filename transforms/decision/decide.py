"""Decides: each trigger gets exactly one answer, or waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.arrow_columns import Bools, Ints, changes, numbered, replaced
from transforms.compiler.offer_definitions import HAS_MOVED, SEGMENT_EXITED, OfferPlan
from transforms.decision import ledger_state as memories
from transforms.decision.answers import ACTIONS, Answers
from transforms.decision.arbitration import arbitrate
from transforms.decision.candidates import rank_candidates
from transforms.decision.contacts import contacts_of, first_ticks
from transforms.decision.deferral import deferrals_of, entry_schema, look_again
from transforms.decision.gates import look_at_gates
from transforms.decision.ingest import in_order, is_fact, part
from transforms.decision.ledger_state import RESERVATION, LedgerState
from transforms.decision.memberships import has_left, has_moved, scope_of, stand_alone, take_facts, that_hold
from transforms.decision.notices import FOREVER, Notices, is_notice, take_notices, to_keep
from transforms.decision.records import decision_records, decision_schema, withdrawal_records
from transforms.decision.roots import number_roots, own_roots
from transforms.decision.withdrawal import next_lapse, withdrawals_of
from transforms.decision.zones import zones_of

_AT_ONCE = 4
"""Entries of a root that are decided at once where some may have to be decided again."""
_ORDER = [(name, "ascending") for name in ("tick", "subject_kind", "subject", "decision_id", "n")]


@dataclass(frozen=True)
class Decided:
    """What came of one call.

    Attributes:
        state: The shard's state for the next call.
        decisions: As `decision_schema` says, by tick, subject and decision id.
        counts: Decisions by their action; triggers `pending`, and `waiting` for a gate to open.
        waiting: Triggers, facts and notices of later ticks, to be given again.
        wake: The next tick at which something is to be decided, as far as it is known; None for none.
    """

    state: bytes
    decisions: pa.Table
    counts: dict[str, int]
    waiting: list[pa.RecordBatch]
    wake: int | None


def decide(plan: OfferPlan, state: bytes | None, batches: Sequence[pa.RecordBatch], upto: int) -> Decided:
    """Answer the triggers of every tick up to `upto`, and those that waited for it.

    One call over a span gives the same as several over its parts, if each trigger, fact and notice is given no later
    than the call that closes its tick. A later trigger is decided at the tick after the closed one, marked late; a
    later fact or notice acts from there on. The order of batches and of their rows does not matter.

    Args:
        plan: The offers and limits.
        state: What the call before returned, None at first.
        batches: Triggers as `plan.triggers` says, with `subject_kind` in the metadata of their schema; facts, as
            `schemas.records.FACT` says; and notices, as `plan.notices` says.
        upto: A tick; one before those of earlier calls decides nothing.
    """
    memory = memories.load(state)
    closed = upto if memory.closed is None else max(upto, memory.closed)
    first = None if memory.closed is None else memory.closed + plan.tick
    due, waiting = part(batches, first, upto)
    facts = [pa.table(batch) for batch in due if is_fact(batch)]
    notices = take_notices(plan, memory.notices, [batch for batch in due if is_notice(batch)], first)
    taken = take_facts(memory.memberships, facts, first)
    triggers = [batch for batch in due if not (is_fact(batch) or is_notice(batch))]
    answering = _Answering(plan, upto, taken, notices, memory.reservations, _deferred(plan, memory))
    decisions = answering.decide(in_order(plan, triggers, first) if triggers else entry_schema(plan).empty_table())
    decisions = answering.withdraw(decisions, -1 if memory.closed is None else memory.closed)
    counts = {action: pc.sum(pc.equal(decisions["action"], action)).as_py() or 0 for action in ACTIONS}
    counts["pending"] = sum(batch.num_rows for batch in waiting if not (is_fact(batch) or is_notice(batch)))
    counts["waiting"] = len(answering.waiting)
    ticks = [pc.min(batch["tick"]).as_py() for batch in waiting]
    wakes = [max(min(ticks), closed + plan.tick)] if ticks else []
    wakes += answering.wakes
    after = LedgerState(
        closed,
        answering.reservations,
        that_hold(taken) if facts else memory.memberships,
        answering.waiting,
        to_keep(plan, notices, closed),
    )
    return Decided(memories.dump(plan, after), decisions, counts, waiting, min(wakes, default=None))


def _deferred(plan: OfferPlan, memory: LedgerState) -> pa.Table:
    """Return who waits, in the columns of the plan."""
    schema = entry_schema(plan)
    return schema.empty_table() if memory.deferred is None else memory.deferred.select(schema.names).cast(schema)


@dataclass
class _Answering:
    """Decides, those of many roots and ticks at once, as far as nothing comes between.

    Attributes:
        plan: The offers and limits.
        upto: The last tick.
        taken: What `take_facts` gives.
        notices: What contact roots were told.
        reservations: As RESERVATION; those that are made are added.
        waiting: Who waits, as `entry_schema`.
    """

    plan: OfferPlan
    upto: int
    taken: pl.DataFrame
    notices: Notices
    reservations: pa.Table
    waiting: pa.Table

    def __post_init__(self) -> None:
        self._contacts = contacts_of(self.plan, self.notices)

    @property
    def wakes(self) -> list[int]:
        """When something waits no longer, as far as that is known."""
        looks = self._looks(self.waiting)
        lapsing = next_lapse(self.plan, self.reservations, self.notices, self.upto)
        return [tick for tick in (int(looks.min(initial=FOREVER)), lapsing) if tick < FOREVER]

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
            return decision_schema(self.plan).empty_table()
        if len(made) == 1 and len(made[0]) == len(triggers):  # in their order
            return made[0]
        return pa.concat_tables(made).sort_by(_ORDER)

    def withdraw(self, decisions: pa.Table, since: int) -> pa.Table:
        """Return decisions with the withdrawals of what was offered, after the tick `since`."""
        settled = self._contacts.settled
        gone = withdrawals_of(self.plan, self.reservations, self.notices, settled, since, self.upto)
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
        np.minimum.at(cut, roots[settled][answers.deferrals.waits], self._looks(waits))
        if (beyond := settled & (ticks >= cut[roots])).any():
            answers = answers.only(~beyond[settled])
            settled &= ~beyond
            waits = answers.waiting
        self.reservations = pa.concat_tables([self.reservations, answers.reserved])
        return settled, waits, decision_records(answers)

    def _barriers(self, entries: pa.Table, roots: Ints, ticks: Ints) -> Ints:
        """Return for each root (a number) up to which tick to decide at once.

        That is where its ledger changes next without a decision; where somebody may wait, no more than a few entries,
        for what comes after a wait is to be decided again.
        """
        barriers = _ends(roots, ticks) if self.plan.waits else np.full(len(entries), FOREVER)
        if self._contacts.silent:
            return barriers
        at = first_ticks(entries)
        np.minimum.at(barriers, roots[at["row"].to_numpy()], self._contacts.changes_after(at, self.reservations))
        if self._contacts.within is not None:
            np.minimum.at(barriers, roots, ticks + self._contacts.within)
        return barriers

    def _answer(self, entries: pa.Table) -> Answers:
        """Decide entries, in their order in each ledger."""
        plan, alone = self.plan, stand_alone(entries, self.taken)
        cancelled = self._cancelled(entries)
        reached = pc.if_else(pa.array(cancelled >= 0), None, entries["recipient"])
        scope = scope_of(plan, entries, self.taken)
        asked = own_roots(replaced(entries, "recipient", reached), alone)
        candidates = rank_candidates(plan, asked, scope)
        zones = zones_of(plan, entries, self.notices)
        gates = look_at_gates(plan, entries, candidates, self.notices, zones)
        counted = self._contacts.counted_at(entries, self.reservations)
        numbers = number_roots(entries, counted, alone)
        verdicts = arbitrate(plan, *numbers, candidates, gates, zones)
        deferrals = deferrals_of(plan, entries, candidates, verdicts)
        return Answers(plan, entries, alone, cancelled, candidates, verdicts, deferrals, scope)

    def _cancelled(self, entries: pa.Table) -> Ints:
        """Return why nothing waits any more, as index of the reason: the segment ended, the recipient moved; or -1."""
        found = np.full(len(entries), -1)
        rows = np.flatnonzero(entries["n"].to_numpy() > 0)
        if len(rows):
            waited = entries.take(rows)
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
