"""Decisions by hand: one trigger after the other, in plain Python, written from the design."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa

from schemas.records import FACT, TOO_LARGE
from transforms.compiler.offer_definitions import CAPS, COOLDOWN, SUBJECT, Limit, Offer, OfferPlan

HOUR = 3_600_000
Root = tuple[str, str]
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


@dataclass(frozen=True)
class Trigger:
    """One trigger; its root is its subject, and of a subscriber's the recipient too, unless they are given."""

    subject: str = "s"
    trigger: str = "t"
    tick: int = 0
    x: int | None = 0
    y: float | None = 1.0
    late: bool = False
    member: bool = False
    kind: str = "subscriber"
    in_root: Root | None = None
    to: str | None = None
    household: str | None = None
    sme: str | None = None
    moved_until: int | None = None

    @property
    def root(self) -> Root:
        """Its contact root."""
        return self.in_root or (self.kind, self.subject)

    @property
    def recipient(self) -> str | None:
        """Whom it would reach."""
        return self.subject if self.kind == "subscriber" else self.to

    @property
    def id(self) -> str:
        """Its decision id."""
        parts = ["test", self.kind, self.subject, self.trigger, str(self.tick), "0"]
        netstrings = "".join(f"{len(part.encode())}:{part}," for part in parts)
        return hashlib.blake2b(netstrings.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Fact:
    """What a contact root is told of a membership, or of itself that it is too large."""

    root: Root
    segment: str  # LEVEL.NAME
    subject: str
    member: bool
    tick: int


def too_large(root: Root, member: bool, tick: int) -> Fact:
    """Return the fact that a root is too large, or is so no more."""
    return Fact(root, f"{root[0]}.{TOO_LARGE}", root[1], member, tick)


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
            "tick": one.tick,
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


@dataclass(frozen=True)
class Sent:
    """One contact in the ledger."""

    trigger: Trigger
    choice: Choice
    channel: str

    def counts(self, per: str, trigger: Trigger) -> bool:
        """Tell whether a limit per `per` that looks at a trigger counts it."""
        if self.trigger.root != trigger.root:
            return False
        if per == "subject":
            return (self.trigger.kind, self.trigger.subject) == (trigger.kind, trigger.subject)
        return self.trigger.recipient == trigger.recipient if per == "subscriber" else trigger.root[0] == per


@dataclass
class ByHand:
    """Decides triggers; `sent` is the ledger."""

    policy: Policy
    facts: Sequence[Fact] = ()
    sent: list[Sent] = field(default_factory=list)

    def decide(self, triggers: Iterable[Trigger]) -> list[dict[str, Any]]:
        """Return what each trigger is answered, by tick, subject and id."""
        groups: dict[tuple[int, Root], list[Trigger]] = {}
        for trigger in triggers:
            groups.setdefault((trigger.tick, trigger.root), []).append(trigger)
        answers = []
        for key in sorted(groups):
            before = list(self.sent)
            for trigger in sorted(groups[key], key=self._turn):
                place = (trigger.tick, trigger.kind, trigger.subject, trigger.id)
                answers.append((place, self._answer(trigger, before)))
        return [answer for _, answer in sorted(answers, key=lambda one: one[0])]

    def _turn(self, trigger: Trigger) -> tuple[Any, ...]:
        eligible = [one for one in self._candidates(trigger) if one["ineligible"] is None]
        if not eligible:
            return (1, trigger.id)
        best = min(eligible, key=lambda one: (one["choice"].priority, -one["micros"]))
        return (0, best["choice"].priority, -best["micros"], trigger.id)

    def _answer(self, trigger: Trigger, before: list[Sent]) -> dict[str, Any]:
        candidates = self._candidates(trigger)
        gates = [self._gates(trigger, one, self.sent) for one in candidates]
        could = any(self._gates(trigger, one, before) == [None] * 4 for one in candidates)
        passing = [n for n, results in enumerate(gates) if results == [None] * 4]
        answer = {"decision_id": trigger.id, "action": "no_offer", "offer": None, "channel": None, "value_micros": None}
        answer["reason"] = next(filter(None, gates[0])) if candidates and not passing else None
        if trigger.recipient is None:
            answer["reason"] = "no_recipient"
        answer["root"] = ("subscriber", trigger.recipient) if self._alone(trigger) else trigger.root
        answer["candidates"] = [
            (one["choice"].name, one["channel"], one["micros"], results)
            for one, results in zip(candidates, gates, strict=True)
        ]
        if passing:
            best = candidates[passing[0]]
            answer |= {"action": "offer", "offer": best["choice"].name, "channel": best["channel"]}
            answer["value_micros"] = best["micros"]
            self.sent.append(Sent(trigger, best["choice"], best["channel"]))
        elif could:
            answer["action"] = "outranked"
        return answer

    def _candidates(self, trigger: Trigger) -> list[dict[str, Any]]:
        """Return the candidates, the best first."""
        found = []
        named = [choice for choice in self.policy.choices if trigger.trigger in choice.triggers]
        for choice in named if trigger.recipient is not None else ():
            for place, channel in enumerate(choice.send):
                micros = self._micros(choice, trigger)
                reason = "not_eligible" if not self._eligible(choice, trigger) else "no_value"
                ineligible = None if reason == "no_value" and micros is not None else reason
                rank = (
                    ineligible is not None,
                    choice.priority,
                    micros is None,
                    -(micros or 0),
                    fnv(trigger.id + choice.name),
                    place,
                )
                found.append(
                    {"choice": choice, "channel": channel, "micros": micros, "ineligible": ineligible, "rank": rank}
                )
        return sorted(found, key=lambda one: one["rank"])

    def _eligible(self, choice: Choice, trigger: Trigger) -> bool:
        if choice.least_x is not None and (trigger.x is None or trigger.x < choice.least_x):
            return False
        return choice.only is None or self._member(choice.only, trigger)

    def _member(self, segment: str, trigger: Trigger) -> bool:
        level, _, name = segment.rpartition(".")
        if level in ("", trigger.kind):
            return trigger.member and name == "member"
        subjects = {"subscriber": trigger.recipient, "household": trigger.household, "sme": trigger.sme}
        return self._told(trigger, segment, subjects[level])

    def _alone(self, trigger: Trigger) -> bool:
        """Tell whether the recipient is a contact root of its own, though it is in a group: that is too large."""
        kind, root = trigger.root
        return trigger.recipient is not None and self._told(trigger, f"{kind}.{TOO_LARGE}", root)

    def _told(self, trigger: Trigger, segment: str, subject: str | None) -> bool:
        told = [
            (fact.tick, fact.member)
            for fact in self.facts
            if (fact.root, fact.segment, fact.subject) == (trigger.root, segment, subject) and fact.tick <= trigger.tick
        ]
        return max(told, default=(0, False))[1]

    def _micros(self, choice: Choice, trigger: Trigger) -> int | None:
        value = trigger.y if choice.value is None else choice.value
        if value is None or not 0 <= choice.p_accept <= 1:
            return None
        micros = (value * choice.p_accept - choice.cost) * 1_000_000
        return round(micros) if math.isfinite(micros) and abs(micros) < 2**63 else None

    def _gates(self, trigger: Trigger, candidate: dict[str, Any], ledger: list[Sent]) -> list[str | None]:
        choice, channel = candidate["choice"], candidate["channel"]
        moved = trigger.moved_until is not None and trigger.moved_until > trigger.tick
        cooling = any(
            one.choice is choice and trigger.tick < one.trigger.tick + choice.cooldown
            for one in ledger
            if one.counts("subject", trigger)
        )
        reached = None
        for n, cap in enumerate(self.policy.caps):
            limited = cap.per == "subscriber" or (cap.per == trigger.root[0] and not self._alone(trigger))
            if limited and cap.family in (None, choice.family) and cap.channel in (None, channel):
                counted = [
                    one
                    for one in ledger
                    if one.counts(cap.per, trigger)
                    and cap.family in (None, one.choice.family)
                    and cap.channel in (None, one.channel)
                    and self._within(cap, one.trigger.tick, trigger)
                ]
                if len(counted) >= cap.max:
                    reached = reached or f"cap_{n}"
        return ["moved" if moved else None, candidate["ineligible"], "cooldown" if cooling else None, reached]

    def _within(self, cap: Cap, tick: int, trigger: Trigger) -> bool:
        if isinstance(cap.period, int):
            return trigger.tick - cap.period < tick <= trigger.tick
        then, now = (self._local(time) for time in (tick, trigger.tick))
        if cap.period == "day":
            return then.date() == now.date()
        if cap.period == "month":
            return (then.year, then.month) == (now.year, now.month)
        return then.isocalendar()[:2] == now.isocalendar()[:2]

    def _local(self, tick: int) -> datetime:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=tick)
        return instant.astimezone(ZoneInfo(self.policy.time_zone))


def fnv(text: str) -> int:
    """FNV-1a 64 with the finaliser of MurmurHash3."""
    hashed, mask = 0xCBF29CE484222325, 2**64 - 1
    for byte in text.encode():
        hashed = (hashed ^ byte) * 0x100000001B3 & mask
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        hashed = (hashed ^ hashed >> 33) * factor & mask
    return hashed ^ hashed >> 33
