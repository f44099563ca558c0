"""What a playbook's offers and policy mean to the kernels of decisions."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from schemas.playbook_levels import LEVELS

MOVED, ELIGIBILITY, COOLDOWN, CAPS = range(4)
GATES = ("moved", "eligibility", "cooldown", "caps")
"""The gates, in the order in which every candidate passes them."""

NO_RECIPIENT, HAS_MOVED, NOT_ELIGIBLE, NO_VALUE, FIRST_LIMIT = range(5)

SUBJECT = "subject"
COUNTED = (SUBJECT, *LEVELS)
"""Whose contacts a limit may count, always within one contact root: those made for the trigger's subject, those that a
recipient got, those of a root that is a household or an SME."""

_DAY = 86_400_000
_LONGEST = {"day": 2 * _DAY, "week": 8 * _DAY, "month": 32 * _DAY}  # with a change of clocks


class Contact(NamedTuple):
    """What is sent and how: what a limit counts."""

    offer: str
    family: str
    channel: str


@dataclass(frozen=True)
class Limit:
    """At most `max` contacts in a period; None in `offer`, `family`, `channel` counts all.

    Attributes:
        gate: COOLDOWN or CAPS.
        reason: The code that a blocked candidate shows.
        per: Whose contacts, one of `COUNTED`.
        max: How many are allowed.
        period: Milliseconds of a rolling period, or `day`, `week`, `month` of the playbook's time zone.
        offer: Counts and limits only this offer.
        family: Counts and limits only this family.
        channel: Counts and limits only this channel.
    """

    gate: int
    reason: str
    per: str
    max: int
    period: int | str
    offer: str | None = None
    family: str | None = None
    channel: str | None = None

    def counts(self, contact: Contact) -> bool:
        """Tell whether the limit counts, and so limits, a contact."""
        wanted = (self.offer, self.family, self.channel)
        return all(name in (None, actual) for name, actual in zip(wanted, contact, strict=True))

    @property
    def reach(self) -> int:
        """After so many milliseconds no tick sees a contact any more."""
        return _LONGEST[self.period] if isinstance(self.period, str) else self.period


@dataclass(frozen=True)
class Offer:
    """One offer of the playbook, its expressions over the context's columns.

    Attributes:
        name: Its name.
        family: Its family.
        owner: Who answers for it.
        message: The purpose of the contact.
        triggers: The names of the triggers that make it a candidate.
        priority: The tier, 1 goes first.
        send: The channels, the preferred one first.
        valid_for: Milliseconds from the decision until it lapses.
        eligible: Boolean; NULL is not eligible.
        value: What an accepted offer is worth, Float64.
        cost: What a contact costs, Float64.
        p_accept: Probability of acceptance, Float64.
        p_accept_assumed: Whether it is the prior of the family.
        params: Values for the message, each under its name, in the order of names.
    """

    name: str
    family: str
    owner: str
    message: str
    triggers: tuple[str, ...]
    priority: int
    send: tuple[str, ...]
    valid_for: int
    eligible: pl.Expr
    value: pl.Expr
    cost: pl.Expr
    p_accept: pl.Expr
    p_accept_assumed: bool
    params: tuple[pl.Expr, ...]

    @cached_property
    def reads(self) -> frozenset[str]:
        """The columns that its expressions read."""
        every = (self.eligible, self.value, self.cost, self.p_accept, *self.params)
        return frozenset(name for expr in every for name in expr.meta.root_names())


@dataclass(frozen=True)
class OfferPlan:
    """The offers and the policy of a playbook, ready to decide.

    Attributes:
        playbook: The playbook's name.
        version: Its version.
        playbook_hash: Hash of its content.
        mode: live, backfill, shadow or simulated.
        tick: Distance of ticks, milliseconds.
        time_zone: Of calendar periods.
        segments: The memberships that expressions see: SEGMENT of the trigger's level, or LEVEL.SEGMENT.
        offers: The offers, by name in ascending order.
        limits: Cooldowns in the order of the offers, then the caps as written.
        triggers: Schema of the trigger batches.
        keep: Milliseconds for which a reservation matters to other versions.
    """

    playbook: str
    version: int
    playbook_hash: str
    mode: str
    tick: int
    time_zone: str
    segments: tuple[str, ...]
    offers: tuple[Offer, ...]
    limits: tuple[Limit, ...]
    triggers: pa.Schema
    keep: int = 0

    @cached_property
    def contacts(self) -> tuple[Contact, ...]:
        """Offer × channel, the offers in order, the channels as preferred."""
        return tuple(Contact(offer.name, offer.family, channel) for offer in self.offers for channel in offer.send)

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Every reason why nothing is sent; limit i has FIRST_LIMIT + i."""
        return ("no_recipient", "moved", "not_eligible", "no_value", *(limit.reason for limit in self.limits))

    @cached_property
    def memory(self) -> int:
        """Milliseconds for which a reservation matters."""
        return max(self.keep, *(limit.reach for limit in self.limits), 0)
