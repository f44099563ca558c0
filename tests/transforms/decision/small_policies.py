"""Small policies for table tests, and triggers and facts as the kernels take them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pyarrow as pa

from schemas.records import FACT
from tests.transforms.decision.reference_policy import HOUR, Fact, Offer, Trigger
from transforms.compiler import offer_definitions as plans
from transforms.compiler.offer_definitions import CAPS, COOLDOWN, SUBJECT, Limit, OfferPlan

TRIGGERS = pa.schema(
    [
        ("subject", pa.string()),
        ("trigger", pa.string()),
        ("tick", pa.int64()),
        ("late", pa.bool_()),
        ("root_kind", pa.string()),
        ("root", pa.string()),
        ("recipient", pa.string()),
        ("household", pa.string()),
        ("sme", pa.string()),
        ("moved_until", pa.int64()),
        ("evidence", pa.struct([("x", pa.int64())])),
        ("segments", pa.list_(pa.string())),
        ("context", pa.struct([("x", pa.int64()), ("y", pa.float64())])),
        ("traceparent", pa.string()),
    ]
)


@dataclass(frozen=True)
class Cap:
    """A cap as an analyst thinks of it."""

    max: int
    period: int | str
    family: str | None = None
    channel: str | None = None
    per: str = "subscriber"


@dataclass(frozen=True)
class Policy:
    """Everything that decides; an offer is sent at a loss, too."""

    choices: tuple[Offer, ...]
    caps: tuple[Cap, ...] = ()
    time_zone: str = "UTC"
    tick: int = HOUR


def plan_of(policy: Policy) -> OfferPlan:
    """Return the policy as the kernels take it."""
    choices = sorted(policy.choices, key=lambda choice: choice.name)
    cooldowns = [
        Limit(COOLDOWN, "cooldown", SUBJECT, 1, each.cooldown, (each.name,)) for each in choices if each.cooldown
    ]
    caps = [
        Limit(CAPS, f"cap_{n}", cap.per, cap.max, cap.period, None, _only(cap.family), _only(cap.channel))
        for n, cap in enumerate(policy.caps)
    ]
    return OfferPlan(
        playbook="test",
        version=3,
        playbook_hash="0" * 32,
        mode="live",
        tick=policy.tick,
        time_zone=policy.time_zone,
        segments=tuple({choice.only for choice in choices if choice.only}),
        offers=tuple(offer_of(replace(choice, at_a_loss=True)) for choice in choices),
        limits=(*cooldowns, *caps),
        triggers=TRIGGERS,
    )


def _only(name: str | None) -> tuple[str, ...] | None:
    return None if name is None else (name,)


def offer_of(offer: Offer) -> plans.Offer:
    """Return an offer as the kernels take it."""
    more: dict[str, Any] = {"goal_within": offer.goal, "goal_signal": offer.goal_signal} if offer.goal else {}
    return plans.Offer(
        name=offer.name,
        family=offer.family,
        owner="team",
        message=offer.message,
        triggers=offer.triggers,
        priority=offer.priority,
        send=offer.send,
        valid_for=offer.valid_for,
        eligible=pl.all_horizontal(
            pl.lit(True) if offer.least_x is None else pl.col("x") >= offer.least_x,
            pl.col(offer.only) if offer.only else pl.lit(True),
        ),
        value=pl.col("y") if offer.value is None else pl.lit(offer.value),
        cost=pl.lit(offer.cost),
        p_accept=pl.lit(offer.p_accept),
        p_accept_assumed=False,
        params=(pl.col("x").alias("x"),),
        wait=offer.wait,
        share=offer.share,
        at_a_loss=offer.at_a_loss,
        **more,
    )


def facts_of(facts: Iterable[Fact]) -> pa.RecordBatch:
    """Return facts as a batch."""
    rows = [
        {
            "root_kind": fact.root[0],
            "root": fact.root[1],
            "subject_kind": fact.segment.split(".")[0],
            "subject": fact.subject,
            "segment": fact.segment,
            "member": fact.member,
            "tick": fact.tick,
        }
        for fact in facts
    ]
    return pa.RecordBatch.from_pylist(rows, schema=FACT)


def batches_of(triggers: Iterable[Trigger]) -> list[pa.RecordBatch]:
    """Return triggers as batches, one for each kind of subject."""
    kinds: dict[str, list[Trigger]] = {}
    for trigger in triggers:
        kinds.setdefault(trigger.kind, []).append(trigger)
    return [batch_of(kinds[kind]) for kind in sorted(kinds)]


def batch_of(triggers: Iterable[Trigger]) -> pa.RecordBatch:
    """Return triggers of one kind of subject as a batch."""
    triggers = list(triggers)
    rows = [
        {
            "subject": one.subject,
            "trigger": one.trigger,
            "tick": one.own,
            "late": one.late,
            "root_kind": one.root[0],
            "root": one.root[1],
            "recipient": one.recipient,
            "household": one.household,
            "sme": one.sme,
            "moved_until": one.moved_until,
            "evidence": {"x": one.x},
            "segments": ["member"] if one.member else [],
            "context": {"x": one.x, "y": one.y},
            "traceparent": one.trace,
        }
        for one in triggers
    ]
    metadata = {b"signal": b"trigger", b"subject_kind": (triggers[0].kind if triggers else "subscriber").encode()}
    return pa.RecordBatch.from_pylist(rows, schema=TRIGGERS.with_metadata(metadata))
