"""Candidates of one trigger and its gates at one tick, by hand."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

from schemas.records import TOO_LARGE
from tests.transforms.decision.reference_goals import People, own_tick, reached
from tests.transforms.decision.reference_ledger import Entry, Limit, Read
from tests.transforms.decision.reference_policy import (
    INBOUND,
    PLAYBOOK,
    WEEKDAYS,
    Hours,
    Notice,
    Offer,
    Policy,
    Root,
    Trigger,
    draw,
    fnv,
    local,
    zone_of,
)
from tests.transforms.decision.reference_told import Told

Result = tuple[str, str | None, int | None]
"""passed, blocked or deferred; the reason; until when it is deferred, None: open-ended."""
Gate = tuple[str, str, str | None, int | None]
PASSED: Result = ("passed", None, None)


@dataclass(frozen=True)
class Candidate:
    """One offer on one channel; `ineligible` says why it is."""

    offer: Offer
    channel: str
    micros: int | None
    ineligible: str | None


@dataclass(frozen=True)
class Look:
    """One look at a trigger, at a tick, for its n-th decision."""

    policy: Policy
    told: Told
    trigger: Trigger
    tick: int
    n: int
    shown: int | None = None  # the tick from which on own channels had their time

    @property
    def id(self) -> str:
        """The id of the decision that may come of it."""
        return self.trigger.id(self.n)

    @cached_property
    def root(self) -> Root:
        """The contact root: of who is in a group that is too large the recipient itself."""
        kind, root = self.trigger.root
        if self.trigger.recipient is not None and self.told.member(f"{kind}.{TOO_LARGE}", root, self.tick):
            return ("subscriber", self.trigger.recipient)
        return (kind, root)

    @property
    def recipient(self) -> Root | None:
        """Whom it would reach, as a subject."""
        return ("subscriber", self.trigger.recipient) if self.trigger.recipient is not None else None

    @property
    def subject(self) -> Root:
        """Whom the trigger is about."""
        return (self.trigger.kind, self.trigger.subject)

    @property
    def people(self) -> People:
        """Whose goals count."""
        return People(self.subject, self.trigger.recipient, self.root)

    @cached_property
    def candidates(self) -> list[Candidate]:
        """The candidates, the best first."""
        found = []
        for offer in self.policy.offers if self.recipient else ():
            for place, channel in enumerate(self._channels(offer)):
                micros = self._micros(offer)
                ineligible = self._ineligible(offer, micros)
                worth = (micros is None, -(micros or 0))
                rank = (ineligible is not None, offer.priority, *worth, fnv(self.id + offer.name), place)
                found.append((rank, Candidate(offer, channel, micros, ineligible)))
        return [candidate for _, candidate in sorted(found, key=lambda one: one[0])]

    def _channels(self, offer: Offer) -> tuple[str, ...]:
        if self.trigger.trigger not in offer.triggers:
            return ()
        return self.policy.channels(offer) if self.shown is None else offer.send

    @property
    def turn(self) -> tuple[int | str, ...]:
        """When it comes, of all looks of its root and tick."""
        best = next((one for one in self.candidates if one.ineligible is None), None)
        return (1, self.id) if best is None else (0, best.offer.priority, -(best.micros or 0), self.id)

    def gates(self, candidate: Candidate, ledger: Sequence[Entry]) -> list[Gate]:
        """Return what each gate says of a candidate, whatever the others say."""
        results = {
            "paused": lambda: self._paused(candidate),
            "moved": lambda: self._block("moved", self.tick < (self.trigger.moved_until or 0)),
            "channel": lambda: self._block("no_channel", not self._reached(candidate.channel)),
            "consent": lambda: self._block("no_consent", not self._consents(candidate)),
            "ticket": lambda: self._ticket(candidate),
            "freshness": lambda: self._block("stale", self._stale),
            "eligibility": lambda: self._block(candidate.ineligible or "", candidate.ineligible is not None),
            "cooldown": lambda: self._limit(candidate, list(self._cooldowns(candidate, ledger))),
            "caps": lambda: self._limit(candidate, list(self._caps(candidate, ledger))),
            "quiet": lambda: self._quiet(candidate),
        }
        return [(gate, *results[gate]()) for gate in self.policy.gates]

    def read(self, gate: str, reason: str | None, candidate: Candidate, ledger: Sequence[Entry]) -> Read | None:
        """Return what shuts a gate for a reason; None where there is no such thing, or it is not shut."""
        if reason is None:
            return None
        limits = {"cooldown": self._cooldowns, "caps": self._caps}
        if gate in limits:
            full = [limit for limit in limits[gate](candidate, ledger) if limit.full(self.tick)]
            return next(limit for limit in full if limit.reason == reason).read(self.tick)
        consent, goals = self._consent(candidate), self._ahead(candidate.offer) if reason == "goal_reached" else []
        rows = {"paused": self._pauses(candidate), "ticket": self._troubles, "eligibility": goals}
        rows["consent"] = [consent] if consent else []
        first = min(rows.get(gate, []), key=lambda row: row.order, default=None)
        return (first.id, first.time) if first else None

    def deadline(self, offer: Offer, gate: str = "quiet") -> int:
        """Return how long a trigger waits for an offer at a gate."""
        return self.trigger.own + (offer.wait or (offer.valid_for if gate == "quiet" else 0))

    def _block(self, reason: str, blocks: bool) -> Result:
        return ("blocked", reason, None) if blocks else PASSED

    def _open_ended(self, candidate: Candidate, reason: str) -> Result:
        waits = self.tick < self.deadline(candidate.offer, "other")
        return ("deferred" if waits else "blocked", reason, None)

    def _paused(self, candidate: Candidate) -> Result:
        return self._open_ended(candidate, "paused") if self._pauses(candidate) else PASSED

    def _pauses(self, candidate: Candidate) -> list[Notice]:
        offer = candidate.offer
        fits = {"offer": offer.name, "family": offer.family, "channel": candidate.channel}
        return [
            row
            for row in self.told.rows("control", (self.recipient, self.subject), self.tick)
            if row.payload["action"] == "pause"
            and (
                row.payload["scope"] == "everything"
                or fits.get(row.payload["scope"], object()) == row.payload.get("target")
            )
        ]

    def profile(self, name: str) -> str | None:
        """Return what is known of the recipient."""
        rows = self.told.rows("profile", (self.recipient,), self.tick)
        return rows[0].payload.get(name) if rows else None

    def _reached(self, channel: str) -> bool:
        channels = self.profile("channels")
        return channel == INBOUND or channels is None or channel in re.split(r"[\s,;]+", channels)

    def _consents(self, candidate: Candidate) -> bool:
        basis = self.policy.bases.get(candidate.offer.message, "contract")
        latest = self._consent(candidate)
        until = latest.payload.get("valid_until") if latest else None
        state = latest.payload["state"] if latest and (until is None or self.tick < until) else None
        return {"contract": True, "opt_in": state == "granted", "opt_out": state != "withdrawn"}[basis]

    def _consent(self, candidate: Candidate) -> Notice | None:
        rows = [
            row
            for row in self.told.rows("consent", (self.recipient,), self.tick)
            if row.payload["purpose"] == candidate.offer.message
            and row.payload.get("channel") in (None, candidate.channel)
        ]
        return max(rows, key=lambda row: row.holds(self.tick), default=None)

    def _ticket(self, candidate: Candidate) -> Result:
        stops = candidate.offer.message == "marketing" and self._troubles
        return self._open_ended(candidate, "open_ticket") if stops else PASSED

    @property
    def _troubles(self) -> list[Notice]:
        rows, worst = self.told.rows("ticket", (self.recipient, self.subject), self.tick), self.policy.no_sales or 0
        severities = [(row, row.payload.get("severity")) for row in rows if row.payload["state"] == "open"]
        return [row for row, severity in severities if severity is not None and severity <= worst]

    @property
    def _stale(self) -> bool:
        age = self.policy.max_decision_age
        return self.n == 0 and age is not None and self.tick - self.trigger.own > age

    def _micros(self, offer: Offer) -> int | None:
        value = self.trigger.y if offer.value is None else offer.value
        if value is None or not 0 <= offer.p_accept <= 1:
            return None
        micros = (value * offer.p_accept - offer.cost) * 1_000_000
        return round(micros) if math.isfinite(micros) and abs(micros) < 2**63 else None

    def _ineligible(self, offer: Offer, micros: int | None) -> str | None:
        if self._ahead(offer):
            return "goal_reached"
        if not self._eligible(offer):
            return "not_eligible"
        if micros is None:
            return "no_value"
        if micros < 0 and not offer.at_a_loss:
            return "below_zero"
        return None if offer.share is None or self._drawn(offer.name, *offer.share) else "not_in_share"

    def _ahead(self, offer: Offer) -> list[Notice]:
        """Return the goals that stop an offer: its own since the trigger, its family's since own channels had it."""
        own = [one for one in self._goals(offer, self.people) if own_tick(self.policy, one) > self.trigger.own]
        if self.shown is None:
            return own
        kin = [one for one in self.policy.offers if one.family == offer.family]
        reached = [notice for one in kin for notice in self._goals(one, self.people)]
        return own + [notice for notice in reached if own_tick(self.policy, notice) > self.shown]

    def _goals(self, offer: Offer, people: People) -> list[Notice]:
        return reached(self.told, offer.name, people, self.tick) if offer.goal else []

    def _eligible(self, offer: Offer) -> bool:
        if offer.least_x is not None and (self.trigger.x is None or self.trigger.x < offer.least_x):
            return False
        level, _, name = (offer.only or "").rpartition(".")
        if offer.only is None or level in ("", self.trigger.kind):
            return offer.only is None or (self.trigger.member and name == "member")
        trigger = self.trigger
        subjects = {"subscriber": trigger.recipient, "household": trigger.household, "sme": trigger.sme}
        return self.told.member(offer.only, subjects[level], self.tick)

    def _drawn(self, name: str, share: float, period: int) -> bool:
        from_epoch = str(self.tick // period)
        return draw("share", PLAYBOOK, name, *self.root, from_epoch) < share

    @property
    def _zone(self) -> ZoneInfo | None:
        zone = self.profile("zone")
        return zone_of(self.policy.time_zone if zone is None else zone)

    def _cooldowns(self, candidate: Candidate, ledger: Sequence[Entry]) -> Iterator[Limit]:
        offer = candidate.offer
        own = [one for one in ledger if one.counts and one.subject == self.subject]
        same = [one for one in own if one.offer == offer.name]
        akin = [one for one in own if one.family == offer.family]
        if offer.goal:
            done = [(one, notice) for one in ledger for notice in self._fruit(one, offer)]
            lately = [notice for one, notice in done if one.tick + offer.goal > self.tick]
            first = min(lately, key=lambda one: one.order, default=None)
            yield Limit("goal_reached", 1, offer.goal, [one for one, _ in done], None, first)
        after, after_rejection = self.policy.cooldowns.get(offer.family, (0, 0))
        for reason, period, entries in (
            ("cooldown", offer.cooldown, same),
            ("cooldown_family", after, akin),
            ("cooldown_after_rejection", offer.cooldown_after_rejection, [one for one in same if one.rejected]),
            ("cooldown_family_after_rejection", after_rejection, [one for one in akin if one.rejected]),
        ):
            yield Limit(reason, 1, period, entries, None)

    def _fruit(self, entry: Entry, offer: Offer) -> list[Notice]:
        """Return the goals of an offer that were reached in time after it was made for the subject before."""
        if entry.people is None or (entry.subject, entry.offer) != (self.subject, offer.name):
            return []
        last, goals = entry.tick + (offer.goal or 0), self._goals(offer, entry.people)
        return [one for one in goals if entry.tick < own_tick(self.policy, one) <= last]

    def _caps(self, candidate: Candidate, ledger: Sequence[Entry]) -> Iterator[Limit]:
        offer, group = candidate.offer, self.root[0]
        for n, cap in enumerate(self.policy.caps):
            if cap.per in ("subscriber", group) and cap.about(offer.family, candidate.channel, offer.message):
                counted = [
                    one
                    for one in ledger
                    if one.counts
                    and cap.about(one.family, one.channel, one.message)
                    and (cap.per != "subscriber" or one.recipient == self.trigger.recipient)
                ]
                zone = self._zone if isinstance(cap.period, str) else None
                reason = "unknown_zone" if isinstance(cap.period, str) and zone is None else f"cap_{n}"
                yield Limit(reason, cap.max, cap.period, counted, zone)
        if group != "subscriber":
            made = [one for one in ledger if one.counts and one.offer == offer.name]
            yield Limit("same_tick", 1, self.policy.tick, made, None)

    def _limit(self, candidate: Candidate, limits: list[Limit]) -> Result:
        full = [limit for limit in limits if limit.full(self.tick)]
        if not full:
            return PASSED
        last = self.deadline(candidate.offer, "other")
        opens = [limit.opens(self.tick, last, self.policy.tick) for limit in full]
        if None in opens:
            return ("blocked", full[opens.index(None)].reason, None)
        return ("deferred", full[0].reason, max(one for one in opens if one is not None))

    def _quiet(self, candidate: Candidate) -> Result:
        if candidate.channel == INBOUND and INBOUND not in self.policy.quiet:
            return PASSED
        zone = self._zone
        if zone is None:
            return ("blocked", "unknown_zone", None)
        if not self._hushed(candidate.channel, self.tick, zone):
            return PASSED
        later = range(self.tick + self.policy.tick, self.deadline(candidate.offer) + 1, self.policy.tick)
        until = next((one for one in later if not self._hushed(candidate.channel, one, zone)), None)
        return ("blocked" if until is None else "deferred", "quiet", until)

    def _hushed(self, channel: str, tick: int, zone: ZoneInfo) -> bool:
        now = local(tick, zone)
        rules = [self.policy.quiet.get(key, ()) for key in ("all", channel, WEEKDAYS[now.weekday()])]
        return any(_within(rule, now.hour * 60 + now.minute) for rule in rules)


def _within(hours: Hours, minute: int) -> bool:
    if hours == "all":
        return True
    return any(
        start <= minute < end if start <= end else minute >= start or minute < end
        for start, end in hours
        if not isinstance(hours, str)
    )
