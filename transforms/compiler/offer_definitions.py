"""What a playbook's offers and policy mean to the kernels of decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.durations import DAY
from schemas.playbook_levels import LEVELS
from schemas.playbook_offers import INBOUND, LONGEST
from transforms.arrays.dtypes import Bools, Ints
from transforms.compiler.quiet import Quiet

GATES = (
    *("paused", "moved", "channel", "consent", "ticket", "freshness"),
    *("eligibility", "cooldown", "caps", "quiet"),
)
"""The gates, in the order in which every candidate passes them."""

PAUSED, MOVED, CHANNEL, CONSENT, TICKET, FRESHNESS, ELIGIBILITY, COOLDOWN, CAPS, QUIET = range(len(GATES))

REASONS = (
    *("no_recipient", "segment_exited", "paused", "moved", "no_channel", "no_consent", "open_ticket", "stale"),
    *("not_eligible", "no_value", "below_zero", "not_in_share", "unknown_zone", "quiet", "erased"),
    *("goal_reached", "came_in", "expired"),
)
"""Why nothing is sent, but for limits."""

(
    NO_RECIPIENT,
    SEGMENT_EXITED,
    IS_PAUSED,
    HAS_MOVED,
    NO_CHANNEL,
    NO_CONSENT,
    OPEN_TICKET,
    STALE,
    NOT_ELIGIBLE,
    NO_VALUE,
    BELOW_ZERO,
    NOT_IN_SHARE,
    UNKNOWN_ZONE,
    IS_QUIET,
    IS_ERASED,
    GOAL_REACHED,
    CAME_IN,
    IS_EXPIRED,
    FIRST_LIMIT,
) = range(len(REASONS) + 1)

_REPORTED = 7 * DAY
"""So long after a decision it is still known what a contact or an outcome is about."""

SUBJECT = "subject"
COUNTED = (SUBJECT, *LEVELS)
"""Whose contacts a limit may count, always within one contact root: those made for the trigger's subject, those that a
recipient got, those of a root that is a household or an SME."""


class Contact(NamedTuple):
    """What is sent and how: what a limit counts."""

    offer: str
    family: str
    channel: str
    message: str


class Traits(NamedTuple):
    """What is told of an offer that goes out, whoever gets it; of one that nobody knows any more only the family."""

    family: str
    owner: str = ""
    priority: int = 0


@dataclass(frozen=True)
class Limit:
    """At most `max` contacts in a period; None in `offer`, `family`, `channel`, `message` counts all.

    Attributes:
        gate: COOLDOWN or CAPS.
        reason: The code that a blocked candidate shows.
        per: Whose contacts, one of `COUNTED`.
        max: How many are allowed.
        period: Milliseconds of a rolling period, or `day`, `week`, `month` where the recipient is.
        offer: Counts and limits only these offers.
        family: Counts and limits only these families.
        channel: Counts and limits only these channels.
        message: Counts and limits only these purposes.
        rejected: Counts only what was rejected.
        reached: Counts only what reached its goal.
    """

    gate: int
    reason: str
    per: str
    max: int
    period: int | str
    offer: tuple[str, ...] | None = None
    family: tuple[str, ...] | None = None
    channel: tuple[str, ...] | None = None
    message: tuple[str, ...] | None = None
    rejected: bool = False
    reached: bool = False

    def counts(self, contact: Contact) -> bool:
        """Tell whether the limit counts, and so limits, a contact."""
        wanted = (self.offer, self.family, self.channel, self.message)
        return all(only is None or actual in only for only, actual in zip(wanted, contact, strict=True))

    @property
    def by_calendar(self) -> bool:
        """Whether the period is one of the calendar."""
        return isinstance(self.period, str)

    @property
    def reach(self) -> int:
        """After so many milliseconds no tick sees a contact any more."""
        return LONGEST[self.period] if isinstance(self.period, str) else self.period


@dataclass(frozen=True)
class Holdout:
    """Roots to which nothing is sent.

    Attributes:
        name: Its name, the salt of the draw.
        share: How many of them, of 1.
        family: Only offers of this family; None for all.
    """

    name: str
    share: float
    family: str | None = None


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
        send: The channels, the preferred one first; before all `inbound` where own channels go first.
        valid_for: Milliseconds from the decision until it lapses.
        eligible: Boolean; NULL is not eligible.
        value: What an accepted offer is worth, Float64.
        cost: What a contact costs, Float64.
        p_accept: Probability of acceptance, Float64.
        p_accept_assumed: Whether it is the prior of the family.
        params: Values for the message, each under its name, in the order of names.
        wait: Milliseconds for which a trigger waits that a gate holds up which will open.
        share: The share of roots that may have it, and the milliseconds of the period of a draw; None for all.
        at_a_loss: Whether it is sent though its expected value is below zero.
        goal_within: Milliseconds for which it is not made again once its goal was reached; 0 without a goal.
        goal_signal: The signal type of its goal; empty without one.
        inbound: Milliseconds for which it is valid on own channels, at most `valid_for`.
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
    wait: int = 0
    share: tuple[float, int] | None = None
    at_a_loss: bool = False
    goal_within: int = 0
    goal_signal: str = ""
    inbound: int = 0

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
        notices: Schemas of the notices that the policy reads in any version, by signal type.
        listed: Those signal types that it reads in this version.
        bases: The basis of contacts by purpose, where that is not `contract`: opt_in or opt_out.
        ticket: Which tickets stop offers of the purpose `marketing`, over their columns; None for none.
        tickets: Which do in some version of the playbook: these are remembered.
        quiet: When which channel is quiet; None for never.
        max_decision_age: Milliseconds after which a trigger is stale; None for never.
        reported_within: Milliseconds after which a reservation that nobody reported is released; None for never.
        holdouts: In the order in which they are looked up.
        goals_kept: Milliseconds for which it matters that a goal was reached.
        held: The triggers that tell that a segment was entered: who waits for one must still be in it.
        explore: Of the families that explore the share of decisions that do, of 1, above 0.
        decide_from: Triggers of earlier ticks get no answer, milliseconds; None: all are answered.
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
    notices: Mapping[str, pa.Schema] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()
    bases: Mapping[str, str] = field(default_factory=dict)
    ticket: pl.Expr | None = None
    tickets: tuple[pl.Expr, ...] = ()
    quiet: Quiet | None = None
    max_decision_age: int | None = None
    reported_within: int | None = None
    holdouts: tuple[Holdout, ...] = ()
    goals_kept: int = 0
    held: frozenset[str] = frozenset()
    explore: Mapping[str, float] = field(default_factory=dict)
    decide_from: int | None = None

    @cached_property
    def heard(self) -> frozenset[str]:
        """The signal types that it reads and is told of: nobody tells anything where no version makes offers."""
        return self.listed & self.notices.keys()

    @cached_property
    def gates(self) -> tuple[int, ...]:
        """The gates that the playbook has, as indices of `GATES`: others let everything pass."""
        conditions = {
            PAUSED: "control" in self.heard,
            CHANNEL: "profile" in self.heard,
            CONSENT: bool(self.bases) and "consent" in self.notices,
            TICKET: self.ticket is not None and "ticket" in self.notices,
            FRESHNESS: self.max_decision_age is not None,
            QUIET: self.quiet is not None,
        }
        return tuple(gate for gate in range(len(GATES)) if conditions.get(gate, True))

    @cached_property
    def waits(self) -> bool:
        """Whether a decision may be deferred."""
        return self.quiet is not None or any(offer.wait for offer in self.offers)

    @cached_property
    def contacts(self) -> tuple[Contact, ...]:
        """Offer × channel, the offers in order, the channels as preferred."""
        return tuple(
            Contact(offer.name, offer.family, channel, offer.message) for offer in self.offers for channel in offer.send
        )

    @cached_property
    def traits(self) -> dict[str, Traits]:
        """What is told of each offer, by name."""
        return {offer.name: Traits(offer.family, offer.owner, offer.priority) for offer in self.offers}

    @cached_property
    def offer_of(self) -> tuple[int, ...]:
        """The index of the offer of each contact."""
        return tuple(number for number, offer in enumerate(self.offers) for _ in offer.send)

    @cached_property
    def valid_for(self) -> Ints:
        """Of each contact for how long it is valid, milliseconds: on own channels for less, as a rule."""
        offers = (self.offers[number] for number in self.offer_of)
        every = zip(offers, self.contacts, strict=True)
        return np.array([one.inbound if by.channel == INBOUND else one.valid_for for one, by in every], np.int64)

    @cached_property
    def is_inbound(self) -> Bools:
        """Of each contact whether it is by own channels."""
        return np.array([contact.channel == INBOUND for contact in self.contacts], np.bool_)

    @cached_property
    def follows(self) -> Bools:
        """Of each contact whether its trigger is answered again when it lapses: something may then be pushed."""
        whole = np.array([self.offers[number].valid_for for number in self.offer_of], np.int64)
        return self.is_inbound & (self.valid_for < whole)

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Every reason why nothing is sent; limit i has FIRST_LIMIT + i."""
        return (*REASONS, *(limit.reason for limit in self.limits))

    @cached_property
    def memory(self) -> int:
        """Milliseconds for which a reservation matters: to a limit, to what is reported of it, while it is valid."""
        reported = _REPORTED if self.heard & {"contact", "outcome"} else 0
        reaches = (limit.reach for limit in self.limits)
        valid = (offer.valid_for for offer in self.offers)
        return max(self.keep, *reaches, *valid, reported, self.goals_kept)

    @property
    def known_for(self) -> int:
        """So many milliseconds after it a decision is forgotten: what is reported then is of a contact of others."""
        return self.memory + self.tick
