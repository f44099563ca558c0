"""Decides: each trigger gets exactly one answer, or waits for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.fitted import fitted
from transforms.compiler.offer_definitions import OfferPlan, Traits
from transforms.decision.answering import Answering
from transforms.decision.answers import ACTIONS
from transforms.decision.bad_outcomes import count_bad_outcomes
from transforms.decision.deferral import entry_schema
from transforms.decision.ingest import in_order, is_fact, part, part_past
from transforms.decision.ledger_state import NOTHING, LedgerState, retained
from transforms.decision.memberships import take_facts, that_hold
from transforms.decision.notices import Notices, is_notice, take_notices, to_keep
from transforms.decision.numbering import number_records


@dataclass(frozen=True)
class Decided:
    """What came of one call.

    Attributes:
        ledger: What is known now, for the next call.
        decisions: As `decision_schema` says, by tick, subject and decision id.
        counts: Decisions by their action; triggers of the `past`, which get none; those `pending`; and how
            many were `published` on own channels, to be answered again when that lapses.
        offers: What is told of offers, by name: those of the plan, and what was made before and may still be out.
        bad: Outcomes by what is bad about them, under the names in `bad_outcomes.COUNTED`.
        waiting: Triggers, facts and notices of later ticks, to be given again.
        due: When contact roots are to be looked at next, as far as that is known: root_kind, root, tick; again and
            again, in no order.
        wake: The next tick at which something is to be decided, as far as it is known; None for none.
    """

    ledger: LedgerState
    decisions: pa.Table
    counts: dict[str, int]
    offers: Mapping[str, Traits]
    bad: dict[str, int]
    waiting: list[pa.RecordBatch]
    due: pl.DataFrame
    wake: int | None


def decide(plan: OfferPlan, known: LedgerState | None, batches: Sequence[pa.RecordBatch], upto: int) -> Decided:
    """Answer the triggers of every tick up to `upto`, and those that waited for it.

    One call over a span gives the same as several over its parts, if each trigger, fact and notice is given no later
    than the call that closes its tick. A later trigger is decided at the tick after the closed one, marked late; a
    later fact or notice acts from there on. The order of batches and of their rows does not matter.

    Args:
        plan: The offers and limits.
        known: The `ledger` of the call before, None at first; or of it what is about some contact roots, all that the
            batches are about and all that are due, and what everybody was told.
        batches: Triggers as `plan.triggers` says, with `subject_kind` in the metadata of their schema; facts, as
            `schemas.records.FACT` says; and notices, as `plan.notices` says.
        upto: A tick; one before those of earlier calls decides nothing.
    """
    memory = NOTHING if known is None else known
    closed = upto if memory.closed is None else max(upto, memory.closed)
    first = None if memory.closed is None else memory.closed + plan.tick
    due, waiting = part(plan, batches, memory.closed, upto)
    told = [batch for batch in due if is_notice(batch)]
    facts = [batch for batch in due if is_fact(batch)]
    triggers = [batch for batch in due if not (is_fact(batch) or is_notice(batch))]
    notices, taken = take_notices(plan, memory.notices, told), take_facts(memory.memberships, facts)
    triggers, deferred, past = part_past(plan, triggers, _deferred(plan, memory))
    answering = _answering(plan, memory, upto, taken, notices, deferred)
    decisions = answering.decide(in_order(plan, triggers) if triggers else entry_schema(plan).empty_table())
    decisions, sequences = number_records(plan, answering.withdraw(decisions), memory.sequences)
    goes_on = memory.closed is None or upto > memory.closed
    after = LedgerState(
        closed,
        answering.reservations,
        that_hold(taken) if facts else memory.memberships,
        answering.waiting,
        to_keep(plan, notices, closed),
        sequences,
        plan.playbook_hash if goes_on else memory.playbook_hash,
        {**memory.offers, **plan.traits} if goes_on else memory.offers,
    )
    ticks = [pc.min(batch["tick"]).as_py() for batch in waiting]
    to_come = answering.due
    wakes = [max(min(ticks), closed + plan.tick)] if ticks else []
    wakes += [to_come["tick"].min()] if len(to_come) else []
    return Decided(
        ledger=retained(plan, after),
        decisions=decisions,
        counts=_counts(answering, decisions, waiting) | {"past": past},
        offers=after.offers,
        bad=count_bad_outcomes(plan, told, notices, answering.reservations, first),
        waiting=waiting,
        due=to_come,
        wake=min(wakes, default=None),
    )


def _answering(
    plan: OfferPlan, memory: LedgerState, upto: int, taken: pl.DataFrame, notices: Notices, deferred: pa.Table
) -> Answering:
    """Return what decides the ticks after those of the memory."""
    return Answering(
        plan=plan,
        closed=-1 if memory.closed is None else memory.closed,
        renewed=memory.playbook_hash not in (None, plan.playbook_hash),
        upto=upto,
        taken=taken,
        notices=notices,
        reservations=memory.reservations,
        waiting=deferred,
    )


def _counts(answering: Answering, decisions: pa.Table, waiting: Sequence[pa.RecordBatch]) -> dict[str, int]:
    """Return `Decided.counts`, without those of the past."""
    counts = {action: pc.sum(pc.equal(decisions["action"], action)).as_py() or 0 for action in ACTIONS}
    counts["pending"] = sum(batch.num_rows for batch in waiting if not (is_fact(batch) or is_notice(batch)))
    return counts | {"published": answering.published}


def _deferred(plan: OfferPlan, memory: LedgerState) -> pa.Table:
    """Return who waits, in the columns of the plan."""
    schema = entry_schema(plan)
    return schema.empty_table() if memory.deferred is None else fitted(memory.deferred, schema)
