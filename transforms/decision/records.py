"""Decision records: one complete row a trigger, also when the answer is no offer."""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from schemas.records import INSTANT
from transforms.arrays.arrow_columns import Ints, lists, nullable, pick
from transforms.compiler.offer_definitions import GATES, NO_RECIPIENT, OfferPlan
from transforms.decision.arbitration import Verdicts

ACTIONS = ("no_offer", "outranked", "offer")

GATE = pa.struct(
    [
        pa.field("gate", pa.string(), nullable=False),
        pa.field("result", pa.string(), nullable=False),  # passed | blocked
        pa.field("reason", pa.string()),  # why it is blocked
    ]
)
CANDIDATE = pa.struct(
    [
        pa.field("offer", pa.string(), nullable=False),
        pa.field("channel", pa.string(), nullable=False),
        pa.field("priority", pa.int64(), nullable=False),
        pa.field("value_micros", pa.int64()),
        pa.field("p_accept", pa.float64()),
        pa.field("p_accept_assumed", pa.bool_(), nullable=False),
        pa.field("gates", pa.list_(GATE), nullable=False),
    ]
)


def decision_schema(plan: OfferPlan) -> pa.Schema:
    """Return the schema of decision records.

    `offer` to `value_micros` are null unless the action is `offer`; `reason` is why not: what first blocked the best
    candidate. `params` is JSON text, an object by name: each offer has its own names, and the text is the same in
    every version of a playbook. `candidates` are in their rank, the best first; gates saw the ledger as it was
    when the trigger's turn came. A trigger without a recipient has no candidates.
    """
    return pa.schema(
        [
            pa.field("decision_id", pa.string(), nullable=False),
            pa.field("subject_kind", pa.string(), nullable=False),
            pa.field("subject", pa.string(), nullable=False),
            pa.field("root_kind", pa.string(), nullable=False),  # the contact root; the recipient, if that is too large
            pa.field("root", pa.string(), nullable=False),
            pa.field("recipient_kind", pa.string()),
            pa.field("recipient", pa.string()),  # null: there is nobody to send to
            pa.field("trigger", pa.string(), nullable=False),
            pa.field("tick", INSTANT, nullable=False),
            pa.field("late", pa.bool_(), nullable=False),
            pa.field("action", pa.string(), nullable=False),  # offer | no_offer | outranked
            pa.field("offer", pa.string()),
            pa.field("channel", pa.string()),
            pa.field("message", pa.string()),
            pa.field("valid_until", INSTANT),
            pa.field("params", pa.string()),
            pa.field("value_micros", pa.int64()),
            pa.field("reason", pa.string()),
            plan.triggers.field("evidence"),
            plan.triggers.field("segments"),
            plan.triggers.field("context"),
            pa.field("candidates", pa.list_(CANDIDATE), nullable=False),
            pa.field("playbook", pa.string(), nullable=False),
            pa.field("version", pa.int64(), nullable=False),
            pa.field("playbook_hash", pa.string(), nullable=False),
            pa.field("mode", pa.string(), nullable=False),
        ]
    )


def decision_records(
    plan: OfferPlan, triggers: pa.Table, candidates: pl.DataFrame, verdicts: Verdicts, params: pa.Array
) -> pa.Table:
    """Put the records together.

    Args:
        plan: The offers and limits.
        triggers: The triggers decided: `plan.triggers`, subject_kind and decision_id.
        candidates: What `rank_candidates` gives for them.
        verdicts: What `arbitrate` gives for both.
        params: JSON text for each trigger that sends, null for the others.

    Returns:
        One row a trigger, in their order, as `decision_schema` says.
    """
    size = triggers.num_rows
    contact = np.append(candidates["contact"].to_numpy(), -1)[verdicts.chosen]
    offers = [offer for offer in plan.offers for _ in offer.send]
    valid_for = pick([offer.valid_for for offer in offers], contact, "int64")
    columns = {name: triggers[name] for name in triggers.column_names} | {
        "recipient_kind": pc.if_else(pc.is_valid(triggers["recipient"]), "subscriber", None),
        "action": pick(ACTIONS, np.where(contact >= 0, 2, verdicts.outranked.astype(np.int64))),
        "offer": pick([offer.name for offer in offers], contact),
        "channel": pick([contact.channel for contact in plan.contacts], contact),
        "message": pick([offer.message for offer in offers], contact),
        "valid_until": pc.add(triggers["tick"], valid_for),
        "params": params,
        "value_micros": candidates["value_micros"].to_arrow().take(nullable(verdicts.chosen)),
        "reason": pick(plan.reasons, np.where(contact < 0, _first_reasons(triggers, candidates, verdicts), -1)),
        "candidates": _candidates(plan, size, candidates, verdicts.reasons),
        "playbook": pa.repeat(plan.playbook, size),
        "version": pa.repeat(plan.version, size),
        "playbook_hash": pa.repeat(plan.playbook_hash, size),
        "mode": pa.repeat(plan.mode, size),
    }
    schema = decision_schema(plan)
    return pa.table([columns[name] for name in schema.names], schema.names).cast(schema)


def _first_reasons(triggers: pa.Table, candidates: pl.DataFrame, verdicts: Verdicts) -> Ints:
    """Return why the best candidate of each trigger is blocked or there can be none; -1 where neither is so."""
    found = np.where(pc.is_null(triggers["recipient"]).to_numpy(), NO_RECIPIENT, -1)
    best = candidates["trigger"].is_first_distinct().arg_true().to_numpy()
    reasons = verdicts.reasons[best]
    found[candidates["trigger"].to_numpy()[best]] = reasons[np.arange(len(best)), (reasons >= 0).argmax(axis=1)]
    return found


def _candidates(plan: OfferPlan, size: int, candidates: pl.DataFrame, reasons: Ints) -> pa.Array:
    """Return the list of candidates, with the list of gates in each, of every trigger."""
    blocked = reasons.ravel()
    gates = [
        pick(GATES, np.tile(np.arange(len(GATES)), len(candidates))),
        pick(["passed", "blocked"], (blocked >= 0).astype(np.int64)),
        pick(plan.reasons, blocked),
    ]
    contact = candidates["contact"].to_numpy()
    structs = [
        pick([contact.offer for contact in plan.contacts], contact),
        pick([contact.channel for contact in plan.contacts], contact),
        *(candidates[name].to_arrow() for name in ("priority", "value_micros", "p_accept", "p_accept_assumed")),
        lists(np.arange(len(candidates) + 1) * len(GATES), GATE, gates),
    ]
    bounds = np.searchsorted(candidates["trigger"].to_numpy(), np.arange(size + 1))
    return lists(bounds, CANDIDATE, structs)
