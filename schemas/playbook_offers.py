"""The offers of a playbook and the policy that limits them."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.durations import DAY, Duration
from schemas.fields import (
    Expression,
    Name,
    Names,
    Period,
    Triggers,
)
from schemas.playbook_levels import Part

LONGEST = {"day": 2 * DAY, "week": 8 * DAY, "month": 32 * DAY}
"""Of calendar periods, with a change of clocks, milliseconds."""


Basis = Literal["opt_in", "opt_out", "contract"]


class Offer(Part):
    """What may be sent when something happens."""

    for_: Triggers = Field(
        alias="for",
        description="The triggers: `LEVEL.NAME` of a moment or a segment entered, `LEVEL.NAME.exited`.",
    )
    to: Name | None = Field(
        None, description="The role in the group that should get it; without such a member the next in order gets it."
    )
    family: Name = Field(description="Offers that compete for the same need; for caps and priors.")
    owner: Name = Field(description="Who answers for it.")
    message: Name = Field(
        "marketing", description="The purpose of the contact. The offer carries it; consent to it is not asked for yet."
    )
    describe: str = Field("", description="What it is, for people.")
    eligible: Expression = Field("TRUE", description="Who may have it.")
    value: Expression = Field(description="What an accepted offer is worth.")
    cost: Expression = Field("0", description="What a contact costs. Expected value: value * p_accept - cost.")
    p_accept: Expression | None = Field(
        None, description="The probability of acceptance; by default the family's prior, marked as assumed."
    )
    priority: int = Field(5, ge=1, le=9, description="Tier; 1 goes first whatever the values.")
    send: Names = Field(description="Channels, the preferred one first.")
    valid_for: Duration = Field(gt=0, description="How long the customer may take it up.")
    cooldown: Duration = Field(
        0,
        description="The same offer is made to the same customer, the one that the trigger is about, again at the "
        "earliest after this.",
    )
    params: dict[Name, Expression] = Field({}, description="Values for the message.")


class Cap(Part):
    """At most so many contacts in a time."""

    per: Literal["subscriber", "household", "sme"] = Field(
        description="Whose contacts count: what a subscriber gets; all that the members of a household, or of an SME, "
        "get for themselves or for it. Who is in both is counted with the household."
    )
    max: int = Field(ge=1, description="How many are allowed.")
    in_: Period = Field(alias="in", description="A rolling length of time, or `day`, `week`, `month` of `time_zone`.")
    family: Name | None = Field(None, description="Counts and limits only offers of this family.")
    channel: Name | None = Field(None, description="Counts and limits only this channel.")

    @property
    def reach(self) -> int:
        """After so many milliseconds no contact counts any more."""
        return LONGEST[self.in_] if isinstance(self.in_, str) else self.in_


class Consent(Part):
    """What needs consent: profiling. Consent to contacts is not enforced yet: who sends has to ask for it."""

    profiling: Basis = Field(
        description="Basis of features that are `inferred`. `opt_in`: whoever consents, by a `consent` signal of the "
        "purpose `profiling` that has not lapsed; `opt_out`: all who have not withdrawn it; `contract`: all."
    )


class Policy(Part):
    """What all offers have to keep to."""

    consent: Consent | None = Field(None, description="What needs consent.")
    caps: Annotated[tuple[Cap, ...], Field(strict=False)] = Field(default=(), description="All of them hold.")
