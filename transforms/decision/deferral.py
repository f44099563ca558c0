"""Deferral: which triggers wait, for a gate or for who may come in, until when, and when they are looked at again."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from schemas.contracts import TRACE
from transforms.arrays.arrow_columns import Bools, Ints
from transforms.arrays.in_time import FOREVER, first_after
from transforms.arrays.plain_arrow import framed
from transforms.compiler.offer_definitions import QUIET, OfferPlan
from transforms.decision.arbitration import Verdicts
from transforms.decision.contacts import Contacts
from transforms.decision.gate_results import AT_AN_EVENT, OPEN
from transforms.decision.memberships import moves_in, sizes_in
from transforms.decision.notices import Notices

_ENTRY = [
    pa.field("subject_kind", pa.string(), nullable=False),
    pa.field("own_tick", pa.int64(), nullable=False),  # of the trigger; `tick` is that of the decision
    pa.field("n", pa.int64(), nullable=False),  # 0 for the answer, one more for each wake-up
    pa.field("until", pa.int64()),  # what waits is looked at again then; null: nobody knows
    pa.field("deadline", pa.int64()),  # or then, for the last time; null: it does not wait for a gate
    pa.field("inbound", pa.string()),  # the decision that went to own channels; without a deadline that is still valid
    pa.field("shown", pa.int64()),  # the tick of that one
    pa.field("decision_id", pa.string(), nullable=False),  # of the decision that comes next
]


def entry_schema(plan: OfferPlan) -> pa.Schema:
    """Return the columns of triggers on their way to a decision; tick is when they were looked at last."""
    return pa.schema([*plan.triggers, *_ENTRY])


def traced(triggers: pa.Table) -> pa.Table:
    """Return triggers with the column of their trace; those that were kept before there was one have none."""
    if TRACE.name in triggers.column_names:
        return triggers
    return triggers.append_column(TRACE.name, pa.nulls(len(triggers), TRACE.type))


@dataclass(frozen=True)
class Deferrals:
    """Who waits.

    Attributes:
        gates: For each candidate and gate whether it defers.
        candidates: For each candidate whether it waits: no gate blocks it.
        waits: For each trigger whether its decision is deferred.
        until: For each trigger the earliest tick at which a candidate may pass; FOREVER where nobody knows.
        deadline: For each trigger when it is looked at for the last time.
    """

    gates: Bools
    candidates: Bools
    waits: Bools
    until: Ints
    deadline: Ints

    def only(self, kept: Bools, candidates: Bools) -> "Deferrals":
        """Return those of some triggers and of their candidates."""
        of_candidates = self.gates[candidates], self.candidates[candidates]
        return Deferrals(*of_candidates, self.waits[kept], self.until[kept], self.deadline[kept])


def deferrals_of(plan: OfferPlan, entries: pa.Table, candidates: pl.DataFrame, verdicts: Verdicts) -> Deferrals:
    """Return which triggers wait, and which of their candidates.

    A gate that opens at a tick defers if that is no later than the own tick of the trigger and `wait` of the offer, or
    for quiet hours without a `wait` its `valid_for`; one that an event opens defers before that.

    Args:
        plan: The offers.
        entries: As `entry_schema`.
        candidates: What `rank_candidates` gives for them.
        verdicts: What `arbitrate` gives for both.
    """
    size = len(entries)
    if not plan.waits:
        none = np.zeros(size, np.bool_)
        no_gates = np.zeros(verdicts.gates.opens.shape, np.bool_)
        return Deferrals(no_gates, no_gates[:, 0], none, np.full(size, FOREVER), np.zeros(size, np.int64))
    trigger, opens = candidates["trigger"].to_numpy(), verdicts.gates.opens
    offer = np.array(plan.offer_of, np.int64)[candidates["contact"].to_numpy()]
    wait, valid = (np.array([getattr(one, name) for one in plan.offers], np.int64) for name in ("wait", "valid_for"))
    own, now = (entries[name].to_numpy() for name in ("own_tick", "tick"))
    gates, blocked = np.zeros(opens.shape, np.bool_, "F"), np.zeros(len(opens), np.bool_)
    latest = np.full(len(opens), OPEN)
    for gate in plan.gates:
        rows = np.flatnonzero(verdicts.gates.reasons[:, gate] >= 0)
        rows = rows[opens[rows, gate] > OPEN]
        until = opens[rows, gate]
        last = own[trigger[rows]] + (np.where(wait > 0, wait, valid) if gate == QUIET else wait)[offer[rows]]
        defers = np.where(until == AT_AN_EVENT, now[trigger[rows]] < last, until <= last)
        gates[rows, gate], latest[rows] = defers, np.maximum(latest[rows], until)
        blocked[rows[~defers]] = True
    waiting = ~blocked & (latest > OPEN)
    until, deadline, waits = np.full(size, FOREVER), np.zeros(size, np.int64), np.zeros(size, np.bool_)
    mine = trigger[waiting]
    waits[mine] = True
    np.minimum.at(until, mine, np.where(latest == AT_AN_EVENT, FOREVER, latest)[waiting])
    last = own[mine] + np.where(wait > 0, wait, valid)[offer[waiting]]
    np.maximum.at(deadline, mine, -(-last // plan.tick) * plan.tick)
    return Deferrals(gates, waiting, waits & (verdicts.chosen < 0), until, deadline)


def is_published(entries: pa.Table) -> Bools:
    """Tell which entries are out on own channels, and wait for that to lapse; as `entry_schema`."""
    out: Bools = pc.and_(pc.is_valid(entries["inbound"]), pc.is_null(entries["deadline"])).to_numpy()
    return out


def look_again(
    plan: OfferPlan,
    waiting: pa.Table,
    notices: Notices,
    contacts: Contacts,
    reservations: pa.Table,
    taken: pl.DataFrame,
) -> Ints:
    """Return the tick at which each waiting trigger is looked at next.

    That is when its gate opens, at its deadline, when its contact root is told anything, is too large or so no more, or
    its ledger changes without a decision, when its segment is no longer held, and when its recipient moves. Where what
    went to own channels is still valid, that is when it no longer is, when the segment ends, and when the recipient
    moves.

    Args:
        plan: The policy.
        waiting: As `entry_schema`.
        notices: What contact roots were told.
        contacts: What was reported of contacts.
        reservations: As RESERVATION.
        taken: What `take_facts` gives.
    """
    names = ["root_kind", "root", "tick", "trigger", "subject", "recipient"]
    roots = framed(waiting.select(names))
    known = [waiting[name].fill_null(FOREVER).to_numpy() for name in ("until", "deadline")]
    gated = ~is_published(waiting)
    told, changed = np.full(len(waiting), FOREVER), np.full(len(waiting), FOREVER)
    asked = roots.filter(gated).select("root_kind", "root", "tick")
    told[gated] = np.minimum(notices.after(asked), first_after(asked, sizes_in(taken), ["root_kind", "root"]))
    changed[gated] = contacts.changes_after(roots.filter(gated).select("root_kind", "root", now="tick"), reservations)
    turns = taken.filter(pl.col("segment").is_in(plan.held))
    by_segment = roots.rename({"trigger": "segment"})
    key = ["root_kind", "root", "segment", "subject"]
    turned = first_after(by_segment, turns, key)
    if not gated.all():
        turned = np.where(gated, turned, first_after(by_segment, turns.filter(~pl.col("member")), key))
    by_recipient = roots.select("root_kind", "root", "tick", subject="recipient")
    moved = first_after(by_recipient, moves_in(taken), ["root_kind", "root", "subject"])
    looks: Ints = np.minimum.reduce([*known, told, changed, turned, moved])
    return np.where(looks < FOREVER, -(-looks // plan.tick) * plan.tick, looks)
