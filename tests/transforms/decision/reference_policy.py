"""What the reference decides by and about: offers, limits, triggers and what contact roots are told, as plain data."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from schemas.records import EVERYBODY, TOO_LARGE

HOUR = 3_600_000
DAY = 24 * HOUR
PLAYBOOK = "test"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
INBOUND = "inbound"
Root = tuple[str, str]
ALL: Root = (EVERYBODY, EVERYBODY)
"""The root of a notice that holds for all."""
Hours = Literal["all"] | tuple[tuple[int, int], ...]
"""Minutes of the day, each from one up to another, over midnight where that is less; or the whole day."""


@dataclass(frozen=True)
class Offer:
    """An offer: its value is `value`, or y if None.

    Eligible is who has `x >= least_x` (None: everybody) and is in the segment `only` (None: everybody), as LEVEL.NAME.
    """

    name: str
    triggers: tuple[str, ...] = ("t",)
    family: str = "f"
    message: str = "marketing"
    send: tuple[str, ...] = ("app",)
    priority: int = 5
    value: float | None = 1.0
    p_accept: float = 0.5
    cost: float = 0.0
    least_x: int | None = None
    only: str | None = None
    wait: int = 0
    valid_for: int = HOUR
    cooldown: int = 0
    cooldown_after_rejection: int = 0
    share: tuple[float, int] | None = None  # a fraction and the milliseconds of its period
    at_a_loss: bool = False
    goal: int | None = None  # within so many milliseconds
    goal_signal: str = "order"


@dataclass(frozen=True)
class Cap:
    """At most `max` contacts in a period: milliseconds, or `day`, `week`, `month`."""

    max: int
    period: int | str
    families: tuple[str, ...] | None = None
    channel: str | None = None
    message: str = "marketing"
    per: str = "subscriber"

    def about(self, family: str | None, channel: str | None, message: str) -> bool:
        """Tell whether a contact like this counts and is limited."""
        return (
            (self.families is None or family in self.families)
            and self.channel in (None, channel)
            and self.message in ("any", message)
        )


@dataclass(frozen=True)
class Holdout:
    """Roots that nothing is sent to, or nothing of one family."""

    name: str
    share: float
    family: str | None = None


@dataclass(frozen=True)
class Policy:
    """Everything that decides."""

    offers: tuple[Offer, ...]
    caps: tuple[Cap, ...] = ()
    cooldowns: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # family: after, after_rejection
    bases: Mapping[str, str] = field(default_factory=dict)  # message: basis, `contract` where it is not said
    listed: frozenset[str] = frozenset()  # signals
    no_sales: int | None = None  # while a ticket is `state = 'open' AND severity <= no_sales`
    quiet: Mapping[str, Hours] = field(default_factory=dict)  # by channel, weekday or `all`
    max_decision_age: int | None = None
    contacts_reported_within: int | None = None
    on_silence: str = "commit"
    holdouts: tuple[Holdout, ...] = ()
    segments: frozenset[str] = frozenset()  # KIND.NAME; a trigger of such a name is that it was entered
    time_zone: str = "UTC"
    tick: int = HOUR
    explore: Mapping[str, float] = field(default_factory=dict)  # by family
    inbound_first: Mapping[str, int] = field(default_factory=dict)  # message: milliseconds
    says: frozenset[str] = frozenset()  # which columns of records are told beside the usual ones

    @property
    def gates(self) -> list[str]:
        """The gates that it has, in order."""
        has = {
            "paused": "control" in self.listed,
            "moved": True,
            "channel": "profile" in self.listed,
            "consent": any(basis != "contract" for basis in self.bases.values()),
            "ticket": self.no_sales is not None,
            "freshness": self.max_decision_age is not None,
            "eligibility": True,
            "cooldown": True,
            "caps": True,
            "quiet": bool(self.quiet),
        }
        return [gate for gate, there in has.items() if there]

    @property
    def known_for(self) -> int:
        """How long a decision is known: a week, as long as limits see it, and while its offer is valid."""
        calendar = {"day": 2 * DAY, "week": 8 * DAY, "month": 32 * DAY}
        caps = [calendar.get(str(one.period)) or int(one.period) for one in self.caps]
        of_offers = [max(one.cooldown, one.cooldown_after_rejection) for one in self.offers]
        valid = [one.valid_for for one in self.offers]
        return max(7 * DAY, *caps, *valid, *of_offers, *(max(lengths) for lengths in self.cooldowns.values()))

    @property
    def heard(self) -> frozenset[str]:
        """The signals of the notices that it reads."""
        return self.listed | ({"goal"} if any(offer.goal for offer in self.offers) else set())

    def channels(self, offer: Offer) -> tuple[str, ...]:
        """The channels of an offer, own ones first."""
        return ((INBOUND,) if offer.message in self.inbound_first else ()) + offer.send

    def valid_for(self, offer: Offer, channel: str) -> int:
        """Return how long an offer is valid by a channel."""
        first = self.inbound_first.get(offer.message, offer.valid_for) if channel == INBOUND else offer.valid_for
        return min(first, offer.valid_for)

    def on_grid(self, time: int) -> int:
        """Return the first tick that is not before a time."""
        return -(-time // self.tick) * self.tick


@dataclass(frozen=True)
class Trigger:
    """One trigger; its root is its subject, and of a subscriber's the recipient too, unless they are given.

    `tick` is where it is decided first: of a trigger that came late, later than its own tick.
    """

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
    own_tick: int | None = None
    trace: str | None = None

    @property
    def root(self) -> Root:
        """Its contact root."""
        return self.in_root or (self.kind, self.subject)

    @property
    def recipient(self) -> str | None:
        """Whom it would reach."""
        return self.subject if self.kind == "subscriber" else self.to

    @property
    def own(self) -> int:
        """The tick at which it happened."""
        return self.tick if self.own_tick is None else self.own_tick

    def id(self, n: int = 0) -> str:
        """Return the id of its decision, or of the n-th after that."""
        parts = [PLAYBOOK, self.kind, self.subject, self.trigger, str(self.own), str(n)]
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


@dataclass(frozen=True)
class Notice:
    """What a contact root, or with `ALL` every one, is told of a signal."""

    root: Root
    subject_kind: str
    subject: str
    signal: str
    tick: int
    time: int
    source: str
    id: str
    payload: Mapping[str, Any]
    again: bool = False  # others were told, or may know more of it

    @property
    def order(self) -> tuple[int, int, str, str]:
        """Of one subject and key the greatest holds."""
        return (self.time, 0 if self.payload.get("state") == "withdrawn" else 1, self.source, self.id)

    def holds(self, tick: int) -> tuple[bool, tuple[int, int, str, str]]:
        """Return what of one subject and key is greatest of the one that holds at a tick: lapsed ones are less."""
        until = self.payload.get("valid_until")
        return (until is None or tick < until, self.order)


def zone_of(name: str) -> ZoneInfo | None:
    """Return a time zone; None if there is none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def local(tick: int, zone: ZoneInfo) -> datetime:
    """Return the local time at a tick."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=tick)).astimezone(zone)


def draw(*parts: str) -> float:
    """Return a number from 0 to 1 that a hash of some words gives."""
    return fnv("\0".join(parts)) / 2**64


def fnv(text: str) -> int:
    """FNV-1a 64 with the finaliser of MurmurHash3."""
    hashed, mask = 0xCBF29CE484222325, 2**64 - 1
    for byte in text.encode():
        hashed = (hashed ^ byte) * 0x100000001B3 & mask
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        hashed = (hashed ^ hashed >> 33) * factor & mask
    return hashed ^ hashed >> 33
