"""The offers of a playbook and the policy that limits them."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from schemas.durations import DAY, Duration
from schemas.fields import (
    NAME,
    Expression,
    Name,
    Names,
    Percentage,
    Period,
    Ration,
    Role,
    Step,
    Triggers,
)
from schemas.playbook_levels import Part
from schemas.quiet import QuietHours

LONGEST = {"day": 2 * DAY, "week": 8 * DAY, "month": 32 * DAY}
"""Of calendar periods, with a change of clocks, milliseconds."""


INBOUND = "inbound"
"""The channel of offers that wait on own channels, as the app or the shop, for customers to come by themselves."""

Basis = Literal["opt_in", "opt_out", "contract"]
Message = Literal["marketing", "care", "service"]
"""The purpose of a contact, as consents name it."""


def _cooldown(value: Any) -> Any:
    return {"after": value} if isinstance(value, str) else value


class Cooldown(Part):
    """How long the same is not offered again."""

    after: Duration = Field(default=0, description="At the earliest so long after the decision before.")
    after_rejection: Duration = Field(default=0, description="The same where that was rejected: `outcome` says so.")

    @property
    def longest(self) -> int:
        """The longer of both, milliseconds."""
        return max(self.after, self.after_rejection)


Cooling = Annotated[Cooldown, BeforeValidator(_cooldown, json_schema_input_type=str | Cooldown)]


def _by_signal(schema: dict[str, Any]) -> None:
    """Let editors know that what is no key of ours is a signal type."""
    schema["patternProperties"] = {f"^(?!within$){NAME[1:]}": schema["additionalProperties"]}
    schema["additionalProperties"] = False


class Goal(Part):
    """What an offer is to bring about.

    The other key is a signal type: which of its signals fulfil it, an expression over their columns, or `any`, as in
    `{order: product = 'topup_5gb', within: 2d}`. Who has reached the goal is not asked: what waits does so no longer,
    what was sent of the offer's family and is still valid is withdrawn, and not pushed after own channels either; the
    same is not made again. Other offers of the same trigger still are: to stop these, too, give them the same goal.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra=_by_signal)
    __pydantic_extra__: dict[str, Expression]

    within: Duration = Field(
        gt=0, description="So long after the offer it counts as fulfilled, and is not made again; a multiple of `tick`."
    )

    @property
    def signals(self) -> dict[str, str]:
        """The conditions by signal type: of one, where nothing is wrong."""
        return self.__pydantic_extra__


class Offer(Part):
    """What may be sent when something happens."""

    for_: Triggers = Field(
        alias="for",
        description="The triggers: `LEVEL.NAME` of a moment or a segment entered, `LEVEL.NAME.exited`.",
    )
    to: Role | None = Field(
        None,
        description="The role in the group that should get it; without such a member the next in order gets it. "
        "Members in reach, with a channel of some offer for the trigger and consent to it, go before the others. "
        "`primary!` insists: without such a member nobody gets it. Then all offers for the trigger have to.",
    )
    family: Name = Field(description="Offers that compete for the same need; for caps and priors.")
    owner: Name = Field(description="Who answers for it.")
    message: Message = Field("marketing", description="The purpose of the contact: what consent is asked for.")
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
    wait: Duration = Field(
        0,
        description="How long a trigger waits that only time, or an event, holds up: a cap or a cooldown that frees, "
        "an open ticket, a pause, quiet hours. Where it is not said quiet hours are waited out within `valid_for`, "
        "and all else ends in `no_offer` at once.",
    )
    share: Ration | None = Field(
        None, description="Only so many customers may have it in each period, drawn by hash: `20% per 7d`."
    )
    at_a_loss: bool = Field(False, description="Whether it is sent though its expected value is below zero.")
    cooldown: Cooling = Field(
        Cooldown(),
        description="The same offer is made to the same customer, the one that the trigger is about, again at the "
        "earliest after this; `{after: 3d, after_rejection: 30d}`.",
    )
    params: dict[Name, Expression] = Field({}, description="Values for the message.")
    goal: Goal | None = Field(
        None, description="What it is to bring about: `{order: state = 'completed', within: 2d}`."
    )


class Cap(Part):
    """At most so many contacts in a time.

    What others send counts, too, if a `contact` without `decision_id` reports it: as `message` says, else as marketing.
    """

    per: Literal["subscriber", "household", "sme"] = Field(
        description="Whose contacts count: what a subscriber gets; all that the members of a household, or of an SME, "
        "get for themselves or for it. Who is in both is counted with the household."
    )
    max: int = Field(ge=0, description="How many are allowed; 0: none ever.")
    in_: Period = Field(
        alias="in", description="A rolling length of time, or `day`, `week`, `month` where the recipient is."
    )
    family: Names | None = Field(None, description="Counts and limits only offers of this family, or of these.")
    channel: Name | None = Field(None, description="Counts and limits only this channel.")
    message: Literal[Message, "any"] = Field(
        "marketing", description="Counts and limits only contacts of this purpose, or `any`."
    )

    @property
    def reach(self) -> int:
        """After so many milliseconds no contact counts any more."""
        return LONGEST[self.in_] if isinstance(self.in_, str) else self.in_


class Consent(Part):
    """On what basis customers are contacted, by purpose, and profiled.

    `opt_in`: whoever consents, by a `consent` signal of the purpose that has not lapsed; `opt_out`: all who have not
    withdrawn it; `contract`: all. A signal past its `valid_until` is as if it had not come: what was said before it
    holds again, but of profiling, where nothing is said then.
    """

    marketing: Basis = Field(default="opt_in", description="Basis of offers whose `message` is `marketing`.")
    care: Basis = Field(default="contract", description="Basis of offers whose `message` is `care`.")
    service: Basis = Field(default="contract", description="Basis of offers whose `message` is `service`.")
    profiling: Basis | None = Field(default=None, description="Basis of features that are `inferred`.")


class InboundFirst(Part):
    """For how long offers are published on own channels, by purpose, before anything is pushed.

    Whatever shows them is the channel `inbound`. Who comes is reported by `contact` or `outcome` of that `decision_id`
    and is pushed nothing; for who has not come by then the trigger is answered again, without own channels, and what
    nobody saw counts against no cap or cooldown.
    """

    marketing: Duration | None = Field(default=None, gt=0, description="Of offers whose `message` is `marketing`.")
    care: Duration | None = Field(default=None, gt=0, description="Of offers whose `message` is `care`.")
    service: Duration | None = Field(default=None, gt=0, description="Of offers whose `message` is `service`.")


class Policy(Part):
    """What all offers have to keep to."""

    consent: Consent | None = Field(
        default=None,
        description="What needs consent: `opt_in` (who has granted it), `opt_out` (who has not withdrawn it) or "
        "`contract` (nobody is asked). Without it marketing is `opt_in` if `consent` is one of the `signals`.",
    )
    no_sales_while: Step | None = Field(
        default=None, description="`{ticket: EXPRESSION}`: no offer of the purpose `marketing` while a ticket is so."
    )
    inbound_first: InboundFirst = Field(
        default=InboundFirst(), description="`{marketing: 24h}`: own channels first, and for how long."
    )
    max_decision_age: Duration | None = Field(
        default=None, gt=0, description="A trigger that came later than this is not answered with an offer."
    )
    contacts_reported_within: Duration | None = Field(
        default=None, gt=0, description="How soon what became of an offer is known; so long a move bars contacts."
    )
    on_silence: Literal["commit", "release"] = Field(
        default="commit", description="What becomes of an offer that nobody reported within `contacts_reported_within`."
    )
    caps: Annotated[tuple[Cap, ...], Field(strict=False)] = Field(default=(), description="All of them hold.")
    quiet: QuietHours | None = Field(default=None, description="When nobody is contacted, where the recipient is.")
    cooldown: dict[Name, Cooling] = Field({}, description="Family to how long nothing of it is offered again.")
    explore: dict[Name, Percentage] = Field(
        {},
        description="Family to how often one of its offers goes out that need not be the best, to learn what others "
        "would bring: `{data: 10%}`. It is drawn by hash of the decision, evenly among those of the family and the "
        "tier of the best that pass every gate, by each of their channels, or by own channels only if the best is "
        "for these. The decision tells its `propensity`, for `segone estimate`.",
    )


class Holdout(Part):
    """Customers who are never contacted, drawn by hash, to compare with."""

    share: Percentage = Field(description="How many of them: `5%`. A greater share keeps those of a smaller one.")
    family: Name | None = Field(
        None, description="Only offers of this family; by default all, care and service messages, too."
    )
