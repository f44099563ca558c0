"""Small policies for table tests, and triggers and facts as the kernels take them."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from schemas.records import FACT
from tests.transforms.decision.reference_policy import HOUR, Fact, Trigger
from transforms.compiler.offer_definitions import CAPS, COOLDOWN, SUBJECT, Limit, Offer, OfferPlan

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
class Choice:
    """An offer: its value is `value`, or y if None.

    Eligible is who has `x >= least_x` (None: everybody) and is in the segment `only` (None: everybody), as LEVEL.NAME.
    """

    name: str
    triggers: tuple[str, ...] = ("t",)
    family: str = "f"
    send: tuple[str, ...] = ("app",)
    priority: int = 5
    value: float | None = 1.0
    p_accept: float = 0.5
    cost: float = 0.0
    least_x: int | None = None
    cooldown: int = 0
    only: str | None = None


@dataclass(frozen=True)
class Policy:
    """Everything that decides."""

    choices: tuple[Choice, ...]
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
        offers=tuple(map(_offer, choices)),
        limits=(*cooldowns, *caps),
        triggers=TRIGGERS,
    )


def _only(name: str | None) -> tuple[str, ...] | None:
    return None if name is None else (name,)


def _offer(choice: Choice) -> Offer:
    return Offer(
        name=choice.name,
        family=choice.family,
        owner="team",
        message="marketing",
        triggers=choice.triggers,
        priority=choice.priority,
        send=choice.send,
        valid_for=HOUR,
        eligible=pl.all_horizontal(
            pl.lit(True) if choice.least_x is None else pl.col("x") >= choice.least_x,
            pl.col(choice.only) if choice.only else pl.lit(True),
        ),
        value=pl.col("y") if choice.value is None else pl.lit(choice.value),
        cost=pl.lit(choice.cost),
        p_accept=pl.lit(choice.p_accept),
        p_accept_assumed=False,
        params=(pl.col("x").alias("x"),),
        at_a_loss=True,
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
        }
        for one in triggers
    ]
    metadata = {b"signal": b"trigger", b"subject_kind": (triggers[0].kind if triggers else "subscriber").encode()}
    return pa.RecordBatch.from_pylist(rows, schema=TRIGGERS.with_metadata(metadata))
