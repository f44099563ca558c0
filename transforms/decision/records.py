"""Decision records: one complete row a trigger, also when the answer is no offer."""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from schemas.playbook_levels import LEVELS
from schemas.records import INSTANT
from transforms.arrays.arrow_columns import Ints, nullable, pick
from transforms.arrays.in_time import FOREVER
from transforms.arrays.plain_arrow import tabled
from transforms.compiler.offer_definitions import NO_RECIPIENT, OfferPlan
from transforms.decision.answers import ACTIONS, Answers, of_nullable
from transforms.decision.recipient_profiles import CONSENT, consents_of
from transforms.decision.recorded_candidates import CANDIDATE, OTHERS, recorded_candidates
from transforms.decision.roots import own_roots

LEDGER = ("ledger_kind", "ledger")
"""The contact root in whose ledger a decision was made, of records that are not numbered yet."""


CAUSE = pa.struct(
    [
        pa.field("signal", pa.string()),  # the type of the signal; null: there is none, its time is over
        pa.field("by", pa.string()),  # the id of the signal; null: there is none
        pa.field("since", INSTANT),  # the time of the signal; of an erasure its tick; else when the time was over
    ]
)
"""What overtook an offer."""

_ANSWER = (
    pa.field("decision_id", pa.string(), nullable=False),
    pa.field("subject_kind", pa.string(), nullable=False),
    pa.field("subject", pa.string(), nullable=False),
    pa.field("root_kind", pa.string(), nullable=False),  # the contact root; the recipient, if that is too large
    pa.field("root", pa.string(), nullable=False),
    pa.field("recipient_kind", pa.string()),
    pa.field("recipient", pa.string()),  # null: there is nobody to send to
    pa.field("trigger", pa.string(), nullable=False),
    pa.field("tick", INSTANT, nullable=False),
    pa.field("trigger_tick", INSTANT, nullable=False),
    pa.field("n", pa.int64(), nullable=False),  # 0: the answer; one more for each time that it was woken
    pa.field("sequence", pa.int64(), nullable=False),  # among the records of the contact root, from 1
    pa.field("late", pa.bool_(), nullable=False),
    # offer | no_offer | outranked | deferred | holdout | withdrawn
    pa.field("action", pa.string(), nullable=False),
    pa.field("offer", pa.string()),
    pa.field("channel", pa.string()),
    pa.field("message", pa.string()),
    pa.field("valid_until", INSTANT),
    pa.field("params", pa.string()),
    pa.field("value_micros", pa.int64()),
    pa.field("reason", pa.string()),
    pa.field("cause", CAUSE),  # what overtook what is withdrawn; null of all others
    pa.field("until", INSTANT),
    pa.field("holdout", pa.string()),
    pa.field("propensity", pa.float64()),
)
_BASIS = (
    pa.field("zone", pa.string()),  # of the recipient, as its profile says; null: nobody knows
    pa.field("channels", pa.string()),  # likewise; words
    pa.field("consents", pa.list_(CONSENT), nullable=False),
    pa.field("candidates", pa.list_(CANDIDATE), nullable=False),
    pa.field("others", pa.list_(OTHERS), nullable=False),
    pa.field("playbook", pa.string(), nullable=False),
    pa.field("version", pa.int64(), nullable=False),
    pa.field("playbook_hash", pa.string(), nullable=False),
    pa.field("mode", pa.string(), nullable=False),
    pa.field("traceparent", pa.string()),  # W3C trace context of a signal that acted at the trigger's tick
)


def decision_schema(plan: OfferPlan) -> pa.Schema:
    """Return the schema of decision records.

    `offer` to `value_micros` are null unless the action is `offer`, or `holdout`: what would have been sent, but for
    the draw that `holdout` names. So is `propensity`: how likely it was that this was chosen, 1 unless its family
    explores. `reason` is why not: what first shut out the best candidate; of what is `deferred` the best of those that
    wait, to be woken at `until`, or if that is null when something happens. `params` is JSON text, an object by name:
    each offer has its own names, and the text is the same in every version of a playbook.
    `candidates` are in their rank, the best first; gates saw the ledger as it was when the trigger's turn came. A
    trigger without a recipient has no candidates, nor one whose customer came in. Those after the first 32 are counted
    in `others`. What goes by the channel `inbound` is shown on own channels, and when that lapses the trigger may be
    answered again. `zone`, `channels` and `consents` are what is known of the recipient at the tick. `withdrawn` is no
    answer, and has none of these: an offer that was made before, under the same id, must no longer be shown or taken
    up, since `cause` overtook it.
    """
    return pa.schema(
        [
            *_ANSWER,
            plan.triggers.field("evidence"),
            plan.triggers.field("segments"),
            plan.triggers.field("context"),
            *_BASIS,
        ]
    )


def unnumbered_schema(plan: OfferPlan) -> pa.Schema:
    """Return the schema of records that `number_records` has yet to number: with `LEDGER`, without `sequence`."""
    schema = decision_schema(plan)
    ledger = [pa.field(name, pa.string(), nullable=False) for name in LEDGER]
    return pa.schema([*schema.remove(schema.get_field_index("sequence")), *ledger])


def decision_records(answers: Answers) -> pa.Table:
    """Write answers down.

    Returns:
        One row a decision, in the order of the entries, as `unnumbered_schema` says; none of who was only looked at
        again.
    """
    plan, contact, size = answers.plan, answers.contact, len(answers.entries)
    entries = own_roots(answers.entries, answers.alone)
    actions, deferrals = answers.actions, answers.deferrals
    sends = np.where(actions == ACTIONS.index("offer"), contact, -1)
    candidates, others = recorded_candidates(answers)
    profiles = answers.profiles.to_dict(as_series=True)
    valid_for = pick(plan.valid_for.tolist(), sends, "int64")
    columns = {name: entries[name] for name in entries.column_names} | {
        "recipient_kind": pc.if_else(pc.is_valid(entries["recipient"]), LEVELS[0], None),
        "trigger_tick": entries["own_tick"],
        "action": pick(ACTIONS, actions),
        "offer": pick([one.offer for one in plan.contacts], contact),
        "channel": pick([one.channel for one in plan.contacts], contact),
        "message": pick([one.message for one in plan.contacts], contact),
        "valid_until": pc.add(entries["tick"], valid_for),
        "params": answers.params,
        "value_micros": answers.candidates["value_micros"].to_arrow().take(nullable(answers.verdicts.chosen)),
        "reason": pick(plan.reasons, np.where(contact < 0, _reasons(answers), -1)),
        "cause": pa.nulls(size, CAUSE),
        "until": of_nullable(np.where(deferrals.waits, deferrals.until, FOREVER)),
        "holdout": pick([one.name for one in plan.holdouts], answers.holdouts),
        "propensity": pa.array(answers.propensity, from_pandas=True),  # NaN is null
        **{name: told.to_arrow(compat_level=pl.CompatLevel.oldest()) for name, told in profiles.items()},
        "consents": consents_of(plan, answers.entries, answers.notices),
        "candidates": candidates,
        "others": others,
        **dict(zip(LEDGER, (answers.entries["root_kind"], answers.entries["root"]), strict=True)),
        "playbook": pa.repeat(plan.playbook, size),
        "version": pa.repeat(plan.version, size),
        "playbook_hash": pa.repeat(plan.playbook_hash, size),
        "mode": pa.repeat(plan.mode, size),
    }
    schema = unnumbered_schema(plan)
    records = pa.table([columns[name] for name in schema.names], schema.names).cast(schema)
    return records.filter(pa.array(~answers.silent)) if answers.silent.any() else records


def withdrawal_records(plan: OfferPlan, reservations: pa.Table, gone: pl.DataFrame) -> pa.Table:
    """Write withdrawals down: the id of the decision, without what that recorded.

    Args:
        plan: The policy.
        reservations: What is withdrawn, as RESERVATION.
        gone: Of each tick, reason, signal, by and since, as `withdrawal.WITHDRAWN`.
    """
    size, schema = len(gone), unnumbered_schema(plan)
    columns = {name: reservations[name] for name in reservations.column_names} | {
        "recipient_kind": pa.repeat(LEVELS[0], size),
        "tick": gone["tick"].to_arrow(),
        "trigger_tick": reservations["own_tick"],
        "late": pa.repeat(False, size),
        "action": pa.repeat("withdrawn", size),
        "reason": pick(plan.reasons, gone["reason"].to_numpy()),
        "cause": tabled(gone, pa.schema(list(CAUSE))).to_struct_array().combine_chunks(),
        **{name: pa.array([[]] * size, schema.field(name).type) for name in ("consents", "candidates", "others")},
        "playbook": pa.repeat(plan.playbook, size),
        "version": pa.repeat(plan.version, size),
        "playbook_hash": pa.repeat(plan.playbook_hash, size),
        "mode": pa.repeat(plan.mode, size),
        "holdout": pa.nulls(size, pa.string()),
        **dict(zip(LEDGER, (reservations["root_kind"], reservations["root"]), strict=True)),
    }
    found = [columns[field.name] if field.name in columns else pa.nulls(size, field.type) for field in schema]
    return pa.table([column.cast(field.type) for column, field in zip(found, schema, strict=True)], schema=schema)


def _reasons(answers: Answers) -> Ints:
    """Return why nothing is sent: what shuts out the best candidate, or why there can be none; -1 for neither."""
    found = answers.first_reasons()
    found[pc.is_null(answers.entries["recipient"]).to_numpy()] = NO_RECIPIENT
    return np.where(answers.cancelled >= 0, answers.cancelled, found)
