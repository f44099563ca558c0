"""Decisions by hand: one trigger after the other, in plain Python, written from the design."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa

from transforms.decision.definitions import CAPS, COOLDOWN, Limit, Offer, OfferPlan

HOUR = 3_600_000
TRIGGERS = pa.schema(
    [
        ("subject", pa.string()),
        ("trigger", pa.string()),
        ("tick", pa.int64()),
        ("late", pa.bool_()),
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


@dataclass(frozen=True)
class Choice:
    """An offer: who may have it is `x >= least_x` (None: everybody), its value is `value`, or y if None."""

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
    cooldowns = [Limit(COOLDOWN, "cooldown", 1, one.cooldown, offer=one.name) for one in choices if one.cooldown]
    caps = [
        Limit(CAPS, f"cap_{n}", cap.max, cap.period, None, cap.family, cap.channel) for n, cap in enumerate(policy.caps)
    ]
    return OfferPlan(
        playbook="test",
        version=3,
        playbook_hash="0" * 32,
        mode="live",
        tick=policy.tick,
        time_zone=policy.time_zone,
        segments={"subscriber.member": "member"},
        offers=tuple(map(_offer, choices)),
        limits=(*cooldowns, *caps),
        triggers=TRIGGERS,
    )


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
        eligible=pl.lit(True) if choice.least_x is None else pl.col("x") >= choice.least_x,
        value=pl.col("y") if choice.value is None else pl.lit(choice.value),
        cost=pl.lit(choice.cost),
        p_accept=pl.lit(choice.p_accept),
        p_accept_assumed=False,
        params=(pl.col("x").alias("x"),),
    )


@dataclass(frozen=True, order=True)
class Trigger:
    """One trigger."""

    subject: str = "s"
    trigger: str = "t"
    tick: int = 0
    x: int | None = 0
    y: float | None = 1.0
    late: bool = False
    member: bool = False

    @property
    def id(self) -> str:
        """Its decision id."""
        parts = ["test", "subscriber", self.subject, self.trigger, str(self.tick), "0"]
        netstrings = "".join(f"{len(part.encode())}:{part}," for part in parts)
        return hashlib.blake2b(netstrings.encode(), digest_size=16).hexdigest()


def batch_of(triggers: Iterable[Trigger]) -> pa.RecordBatch:
    """Return triggers as a batch."""
    rows = [
        {
            "subject": one.subject,
            "trigger": one.trigger,
            "tick": one.tick,
            "late": one.late,
            "evidence": {"x": one.x},
            "segments": ["member"] if one.member else [],
            "context": {"x": one.x, "y": one.y},
        }
        for one in triggers
    ]
    metadata = {b"signal": b"trigger", b"subject_kind": b"subscriber"}
    return pa.RecordBatch.from_pylist(rows, schema=TRIGGERS.with_metadata(metadata))


@dataclass
class ByHand:
    """Decides triggers; `sent` is the ledger: root, choice, channel, tick."""

    policy: Policy
    sent: list[tuple[str, Choice, str, int]] = field(default_factory=list)

    def decide(self, triggers: Iterable[Trigger]) -> list[dict[str, Any]]:
        """Return what each trigger is answered, by tick, subject and id."""
        groups: dict[tuple[int, str], list[Trigger]] = {}
        for trigger in triggers:
            groups.setdefault((trigger.tick, trigger.subject), []).append(trigger)
        answers = []
        for key in sorted(groups):
            before = list(self.sent)
            turns = sorted(groups[key], key=self._turn)
            answers += sorted((self._answer(trigger, before) for trigger in turns), key=lambda one: one["decision_id"])
        return answers

    def _turn(self, trigger: Trigger) -> tuple[Any, ...]:
        eligible = [one for one in self._candidates(trigger) if one["ineligible"] is None]
        if not eligible:
            return (1, trigger.id)
        best = min(eligible, key=lambda one: (one["choice"].priority, -one["micros"]))
        return (0, best["choice"].priority, -best["micros"], trigger.id)

    def _answer(self, trigger: Trigger, before: list[tuple[str, Choice, str, int]]) -> dict[str, Any]:
        candidates = self._candidates(trigger)
        gates = [self._gates(trigger, one, self.sent) for one in candidates]
        could = any(self._gates(trigger, one, before) == [None] * 3 for one in candidates)
        passing = [n for n, results in enumerate(gates) if results == [None] * 3]
        answer = {"decision_id": trigger.id, "action": "no_offer", "offer": None, "channel": None, "value_micros": None}
        answer["reason"] = next(filter(None, gates[0])) if candidates and not passing else None
        answer["candidates"] = [
            (one["choice"].name, one["channel"], one["micros"], results)
            for one, results in zip(candidates, gates, strict=True)
        ]
        if passing:
            best = candidates[passing[0]]
            answer |= {"action": "offer", "offer": best["choice"].name, "channel": best["channel"]}
            answer["value_micros"] = best["micros"]
            self.sent.append((trigger.subject, best["choice"], best["channel"], trigger.tick))
        elif could:
            answer["action"] = "outranked"
        return answer

    def _candidates(self, trigger: Trigger) -> list[dict[str, Any]]:
        """Return the candidates, the best first."""
        found = []
        for choice in self.policy.choices:
            for place, channel in enumerate(choice.send if trigger.trigger in choice.triggers else ()):
                micros = self._micros(choice, trigger)
                eligible = choice.least_x is None or (trigger.x is not None and trigger.x >= choice.least_x)
                ineligible = "not_eligible" if not eligible else "no_value" if micros is None else None
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

    def _micros(self, choice: Choice, trigger: Trigger) -> int | None:
        value = trigger.y if choice.value is None else choice.value
        if value is None or not 0 <= choice.p_accept <= 1:
            return None
        micros = (value * choice.p_accept - choice.cost) * 1_000_000
        return round(micros) if math.isfinite(micros) and abs(micros) < 2**63 else None

    def _gates(
        self, trigger: Trigger, candidate: dict[str, Any], ledger: list[tuple[str, Choice, str, int]]
    ) -> list[str | None]:
        mine = [entry for entry in ledger if entry[0] == trigger.subject]
        choice, channel = candidate["choice"], candidate["channel"]
        cooling = any(sent is choice and trigger.tick < tick + choice.cooldown for _, sent, _, tick in mine)
        reached = None
        for n, cap in enumerate(self.policy.caps):
            if cap.family in (None, choice.family) and cap.channel in (None, channel):
                counted = [
                    tick
                    for _, sent, by, tick in mine
                    if cap.family in (None, sent.family)
                    and cap.channel in (None, by)
                    and self._within(cap, tick, trigger)
                ]
                if len(counted) >= cap.max:
                    reached = reached or f"cap_{n}"
        return [candidate["ineligible"], "cooldown" if cooling else None, reached]

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
