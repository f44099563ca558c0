"""Decides: each trigger gets exactly one answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.arrow_columns import Ints, pick
from transforms.compiler.offer_definitions import Contact, OfferPlan
from transforms.decision import ledger_state as memories
from transforms.decision.arbitration import arbitrate
from transforms.decision.candidates import params_of, rank_candidates
from transforms.decision.ingest import in_order, is_fact, part
from transforms.decision.ledger_state import RESERVATION
from transforms.decision.memberships import scope_of, stand_alone, take_facts, that_hold
from transforms.decision.records import ACTIONS, decision_records, decision_schema
from transforms.decision.roots import number_roots, own_roots


@dataclass(frozen=True)
class Decided:
    """What came of one call.

    Attributes:
        state: The shard's state for the next call.
        decisions: As `decision_schema` says, by tick, subject and decision id.
        counts: Triggers decided with `offer`, `no_offer`, `outranked`; triggers `pending`.
        waiting: Triggers and facts of later ticks, to be given again.
        wake: The tick of the first of them, None if none waits.
    """

    state: bytes
    decisions: pa.Table
    counts: dict[str, int]
    waiting: list[pa.RecordBatch]
    wake: int | None


def decide(plan: OfferPlan, state: bytes | None, batches: Sequence[pa.RecordBatch], upto: int) -> Decided:
    """Answer the triggers of every tick up to `upto`.

    One call over a span gives the same as several over its parts, if each trigger and fact is given no later than the
    call that closes its tick. A later trigger is decided at the tick after the closed one, marked late; a later fact
    acts from there on. The order of batches and of their rows does not matter.

    Args:
        plan: The offers and limits.
        state: What the call before returned, None at first.
        batches: Triggers as `plan.triggers` says, with `subject_kind` in the metadata of their schema; and facts, as
            `schemas.records.FACT` says.
        upto: A tick; one before those of earlier calls decides nothing.
    """
    memory = memories.load(state)
    closed = upto if memory.closed is None else max(upto, memory.closed)
    first = None if memory.closed is None else memory.closed + plan.tick
    due, waiting = part(batches, first, upto)
    facts = [pa.table(batch) for batch in due if is_fact(batch)]
    taken = take_facts(memory.memberships, facts, first)
    decisions, reservations = decision_schema(plan).empty_table(), memory.reservations
    if triggers := [batch for batch in due if not is_fact(batch)]:
        decisions, reserved = _answer(plan, in_order(plan, triggers, first), taken, reservations)
        reservations = pa.concat_tables([reservations, reserved])
    counts = {action: pc.sum(pc.equal(decisions["action"], action)).as_py() or 0 for action in ACTIONS}
    counts["pending"] = sum(batch.num_rows for batch in waiting if not is_fact(batch))
    ticks = [pc.min(batch["tick"]).as_py() for batch in waiting]
    wake = max(min(ticks), closed + plan.tick) if ticks else None
    hold = that_hold(taken) if facts else memory.memberships
    return Decided(memories.dump(plan, closed, reservations, hold), decisions, counts, waiting, wake)


def _answer(
    plan: OfferPlan, triggers: pa.Table, taken: pl.DataFrame, reservations: pa.Table
) -> tuple[pa.Table, pa.Table]:
    """Return the decisions of triggers in their order, and what they reserve."""
    scope, alone = scope_of(plan, triggers, taken), stand_alone(triggers, taken)
    candidates = rank_candidates(plan, triggers, scope)
    verdicts = arbitrate(plan, *number_roots(triggers, reservations, alone), candidates)
    contact = np.append(candidates["contact"].to_numpy(), -1)[verdicts.chosen]
    params = params_of(plan, contact, scope)
    decisions = decision_records(plan, own_roots(triggers, alone), candidates, verdicts, params)
    return decisions, _reserved(plan, triggers, contact)


def _reserved(plan: OfferPlan, triggers: pa.Table, contact: Ints) -> pa.Table:
    """Return what the triggers that send reserve, as RESERVATION."""
    rows = np.flatnonzero(contact >= 0)
    sent = triggers.take(rows)
    which = (pick([one[n] for one in plan.contacts], contact[rows]) for n in range(len(Contact._fields)))
    columns = {name: sent[name] for name in sent.column_names} | dict(zip(Contact._fields, which, strict=True))
    return pa.table([columns[name] for name in RESERVATION.names], schema=RESERVATION)
