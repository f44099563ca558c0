"""Decides: each trigger gets exactly one answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.decision import memory as memories
from transforms.decision.arbitration import arbitrate
from transforms.decision.candidates import params_of, rank_candidates, scope_of
from transforms.decision.columns import Ints, pick
from transforms.decision.definitions import Contact, OfferPlan
from transforms.decision.ids import decision_ids
from transforms.decision.memory import RESERVATION
from transforms.decision.records import ACTIONS, decision_records, decision_schema

_ROOT = ("root_kind", "root")


@dataclass(frozen=True)
class Decided:
    """What came of one call.

    Attributes:
        state: The shard's state for the next call.
        decisions: As `decision_schema` says, by tick, subject and decision id.
        counts: Triggers decided with `offer`, `no_offer`, `outranked`; triggers `pending`.
        waiting: Triggers of later ticks, to be given again.
        wake: The tick at which the first of them can be decided, None if none waits.
    """

    state: bytes
    decisions: pa.Table
    counts: dict[str, int]
    waiting: list[pa.RecordBatch]
    wake: int | None


def decide(plan: OfferPlan, state: bytes | None, triggers: Sequence[pa.RecordBatch], upto: int) -> Decided:
    """Answer the triggers of every tick up to `upto`.

    One call over a span gives the same as several over its parts, if each trigger is given no later than the call
    that closes its tick; a later one is decided at the tick after the closed one, marked late. The order of batches
    and of their rows does not matter.

    Args:
        plan: The offers and limits.
        state: What the call before returned, None at first.
        triggers: Batches as `plan.triggers` says, with `subject_kind` in the metadata of their schema.
        upto: A tick; one before those of earlier calls decides nothing.
    """
    memory = memories.load(state)
    closed = upto if memory.closed is None else max(upto, memory.closed)
    first = None if memory.closed is None else memory.closed + plan.tick
    due, waiting = _due(triggers, first, upto)
    decisions, reservations = decision_schema(plan).empty_table(), memory.reservations
    if due:
        ordered = _in_order(plan, pa.concat_tables(due), first)
        decisions, reserved = _answer(plan, ordered, reservations)
        reservations = pa.concat_tables([reservations, reserved])
    counts = {action: pc.sum(pc.equal(decisions["action"], action)).as_py() or 0 for action in ACTIONS}
    counts["pending"] = sum(batch.num_rows for batch in waiting)
    ticks = [pc.min(batch["tick"]).as_py() for batch in waiting]
    wake = max(min(ticks), closed + plan.tick) if ticks else None
    return Decided(memories.dump(plan, closed, reservations), decisions, counts, waiting, wake)


def _due(
    triggers: Sequence[pa.RecordBatch], first: int | None, upto: int
) -> tuple[list[pa.Table], list[pa.RecordBatch]]:
    """Part the triggers that can be decided, with their `subject_kind`, from those that wait."""
    due, waiting = [], []
    for batch in triggers:
        ticks = batch["tick"].to_numpy()
        waits = (ticks if first is None else np.maximum(ticks, first)) > upto
        if waits.any():
            waiting.append(batch.filter(waits))
        if not waits.all():
            table = pa.table(batch.filter(~waits) if waits.any() else batch).replace_schema_metadata()
            kind = batch.schema.metadata[b"subject_kind"].decode()
            due.append(table.append_column("subject_kind", pa.repeat(kind, len(table))))
    return due, waiting


def _in_order(plan: OfferPlan, due: pa.Table, first: int | None) -> pa.Table:
    """Add `decision_id`, move what comes too late to the first open tick, and sort."""
    frame = cast(pl.DataFrame, pl.from_arrow(due.select(["subject_kind", "subject", "trigger", "tick", "late"])))
    frame = frame.with_columns(decision_ids(plan.playbook, frame))
    if first is not None:
        late = pl.col("late") | (pl.col("tick") < first)
        frame = frame.with_columns(pl.max_horizontal("tick", first), late)
    frame = frame.with_row_index("row").sort("tick", "subject_kind", "subject", "decision_id")
    ordered = due.take(frame["row"].to_arrow())
    for name in ("tick", "late"):
        ordered = ordered.set_column(ordered.column_names.index(name), name, frame[name].to_arrow())
    return ordered.append_column("decision_id", pa.array(frame["decision_id"].to_list(), pa.string()))


def _answer(plan: OfferPlan, triggers: pa.Table, reservations: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the decisions of triggers in their order, and what they reserve."""
    scope = scope_of(plan, triggers)
    candidates = rank_candidates(plan, triggers, scope)
    verdicts = arbitrate(plan, *_by_root(triggers, reservations), candidates)
    contact = np.append(candidates["contact"].to_numpy(), -1)[verdicts.chosen]
    params = params_of(plan, contact, scope)
    decisions = decision_records(plan, triggers, candidates, verdicts, params)
    return decisions, _reserved(plan, triggers, contact)


def _by_root(triggers: pa.Table, reservations: pa.Table) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Number the contact roots of triggers, and find their reservations.

    A subscriber without a group is its own contact root.

    Returns:
        Columns root (number), tick, decision_id of the triggers; RESERVATION of these roots, root a number.
    """
    table = triggers.select(["subject_kind", "subject", "tick", "decision_id"])
    frame = cast(pl.DataFrame, pl.from_arrow(table.rename_columns([*_ROOT, "tick", "decision_id"])))
    roots = frame.select(_ROOT).unique(maintain_order=True).with_row_index("number")
    numbered = frame.join(roots, on=_ROOT, maintain_order="left")
    known = cast(pl.DataFrame, pl.from_arrow(reservations)).join(roots, on=_ROOT)
    root = pl.col("number").cast(pl.Int64).alias("root")
    return numbered.with_columns(root), known.with_columns(root)


def _reserved(plan: OfferPlan, triggers: pa.Table, contact: Ints) -> pa.Table:
    """Return what the triggers that send reserve, as RESERVATION."""
    rows = np.flatnonzero(contact >= 0)
    sent = triggers.take(rows)
    columns = [
        sent["subject_kind"],
        sent["subject"],
        sent["subject_kind"],
        sent["subject"],
        *(pick([one[n] for one in plan.contacts], contact[rows]) for n in range(len(Contact._fields))),
        sent["tick"],
        sent["decision_id"],
    ]
    return pa.table(columns, schema=RESERVATION)
