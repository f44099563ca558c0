"""The playbook: what an analyst writes, as strict and frozen models. The field descriptions are its reference."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from schemas.durations import DAY, HOUR, MINUTE, Duration, Instant
from schemas.errors import LoadError, LoadErrors
from schemas.fields import (
    Column,
    Expression,
    Name,
    Names,
    Period,
    ProfileField,
    Share,
    Shares,
    SignalFiles,
    Step,
    Triggers,
)
from schemas.models import ModelFile, read_model
from schemas.tables import ReferenceTable, read_table
from schemas.yaml_source import KeyPath, YamlSource

GROUPS = ("household", "sme")
LEVELS = ("subscriber", *GROUPS)
"""Kinds of subjects, each a section of a playbook."""

MEMBERS = "members"
"""What a group's feature reads `from` that aggregates its members' contexts instead of signals."""

AGGREGATES = ("count", "sum", "min", "max", "mean", "distinct", "first", "last", "seconds_since_last")
STEPS = ("after", "then", "without")
OnLate = Literal["record", "trigger"]
OnStart = Literal["record", "trigger"]
Basis = Literal["opt_in", "opt_out", "contract"]

LONGEST = {"day": 2 * DAY, "week": 8 * DAY, "month": 32 * DAY}
"""Of calendar periods, with a change of clocks, milliseconds."""

EXACT_LIMIT = 2 * HOUR
"""Windows that reach no further back than this are exact; the tail of longer ones moves by the pane."""


class _Part(BaseModel):
    """A part of a playbook: nothing is coerced, nothing unknown is accepted, nothing changes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Feature(_Part):
    """A windowed aggregate of one type of signal per subject: exactly one aggregate, of one column."""

    count: Column | None = Field(None, description="How many signals have the column; `any` counts all.")
    sum: Column | None = Field(None, description="Sum of a numeric column; 0 for none.")
    min: Column | None = Field(None, description="Least value of a numeric column; NULL for none.")
    max: Column | None = Field(None, description="Greatest value of a numeric column; NULL for none.")
    mean: Column | None = Field(None, description="Mean of a numeric column; NULL for none.")
    distinct: Column | None = Field(None, description="How many different values the column has; 0 for none.")
    first: Column | None = Field(None, description="Value of the earliest signal that has one; NULL for none.")
    last: Column | None = Field(
        None, description="Value of the latest signal that has one; without `window` the latest known value ever."
    )
    seconds_since_last: Column | None = Field(
        None,
        description="Seconds from the latest signal that has the column (`any`: the latest of all) to the tick; NULL "
        "for none. Only to be compared with numbers.",
    )
    from_: Name = Field(
        alias="from",
        description="The signal type, one of `signals`; for a household or SME also `members`: its members' contexts "
        "now, one row each, with `role`.",
    )
    where: Expression | None = Field(None, description="Which signals take part: an expression over their columns.")
    window: Duration | None = Field(
        None,
        gt=0,
        description="The feature at tick T covers [T - window, T). Windows up to 2h (with `offset`) are exact; the "
        "tail of longer ones moves by a pane of 5m (up to 2d) or 1h, which must divide `window` and `offset`.",
    )
    offset: Duration = Field(0, description="Shifts the window back by so much.")
    inferred: bool = Field(
        False,
        description="It is inferred from traffic: it needs the consent to profiling that `policy.consent` asks for. "
        "Without it, it is NULL; a group counts the signals of those members who consent.",
    )
    describe: str = Field("", description="What it measures, for people who read about segments.")

    @model_validator(mode="after")
    def _has_one_aggregate(self) -> Self:
        found = [name for name in AGGREGATES if getattr(self, name) is not None]
        if len(found) != 1:
            told = " and ".join(f"`{name}`" for name in found) or "none"
            raise ValueError(f"must have exactly one aggregate of {', '.join(AGGREGATES)}; it has {told}")
        return self

    @property
    def aggregate(self) -> str:
        """The one of `AGGREGATES` that is given."""
        return next(name for name in AGGREGATES if getattr(self, name) is not None)

    @property
    def column(self) -> str:
        """The column it aggregates, or `any`."""
        return str(getattr(self, self.aggregate))

    @property
    def pane(self) -> int | None:
        """Milliseconds by which the tail moves, None for an exact window."""
        reach = (self.window or 0) + self.offset
        if reach <= EXACT_LIMIT:
            return None
        return 5 * MINUTE if reach <= 2 * DAY else HOUR


Refresh = Annotated[
    Duration | None,
    Field(
        gt=0,
        description="How often what drifts by time alone (`days_until`, `half_life`) is looked at: at the multiples of "
        "this from 1970 UTC on. A multiple of `tick`; 1d where it is needed and not given.",
    ),
]


class Derived(_Part):
    """A value computed from features and other derived values."""

    expr: Expression = Field(description="An expression over the level's own names.")
    bounds: Annotated[tuple[float, float], Field(strict=False)] | None = Field(
        None, description="[least, greatest]: values outside become these."
    )
    half_life: Duration | None = Field(
        None,
        gt=0,
        description="Where `expr` falls, the value does not fall with it but fades, by half in this time, until it is "
        "down at `expr` or below 0.001.",
    )
    refresh: Refresh = None
    describe: str = Field("", description="What it measures, for people who read about segments.")


class Segment(_Part):
    """A living condition that a subject enters and leaves."""

    describe: str = Field("", description="What it means, for people.")
    enter: Expression = Field(description="Makes a subject a member when it becomes true and `exit` is not.")
    exit: Expression | None = Field(
        None, description="Ends the membership when true. By default: when `enter` is no longer true."
    )
    hold: Duration = Field(0, description="A membership lasts at least so long, rounded up to a tick.")
    expire: Duration | None = Field(
        None, gt=0, description="Ends the membership so long after `enter` was last true, rounded up to a tick."
    )
    refresh: Refresh = None
    exclusive: Name | None = Field(
        None, description="A set of segments; a subject is in one of a set at a time. Needs `priority`."
    )
    priority: int | None = Field(
        None,
        ge=1,
        description="Rank in the set, 1 first. Who enters a segment leaves those behind it as `superseded`, whatever "
        "their `hold`, and enters none of them until it ends.",
    )
    on_late: OnLate = Field("record", description="`trigger`: late changes make offers too.")
    on_start: OnStart = Field(
        "record",
        description="`trigger`: who enters or leaves because a version of the playbook changed this gets offers too.",
    )

    expect: Shares | None = Field(
        None,
        description="The share of all known subjects that you believe in, as `1%..5%`. At the end of each day (UTC) on "
        "which it is another, an alert is written.",
    )

    @model_validator(mode="after")
    def _ranks_in_a_set(self) -> Self:
        if (self.exclusive is None) != (self.priority is None):
            raise ValueError("`exclusive` and `priority` go together: the set, and the rank in it")
        return self


class Moment(_Part):
    """A point in time: a condition becomes true (`when`), or a sequence of signals completes (`after`).

    Each signal of `after` starts a sequence. It ends with the first later signal of `then` or `without`, or `within`
    after its start. A signal of `then` completes it; if there is no `then`, the end of `within` does: an absence.
    """

    when: Expression | None = Field(
        None, description="Fires when it becomes true; with `after`: must hold at the tick at which that is complete."
    )
    repeat: Duration | None = Field(
        None, gt=0, description="Fires again each time so long has passed while it stays true; a multiple of `tick`."
    )
    after: Step | None = Field(None, description="Signal type to condition (`any`: every one): what starts a sequence.")
    then: Step | None = Field(None, description="Likewise: what completes it, later than its start.")
    without: Step | None = Field(None, description="Likewise: what ends it before it is complete.")
    within: Duration | None = Field(None, gt=0, description="How long it can take; needed with `after`.")
    same: Names | None = Field(
        None, description="Columns that all signals of a sequence have in common; NULL is common to none."
    )
    again_after: Duration | None = Field(None, gt=0, description="Fires at most once in this time.")
    refresh: Refresh = None
    on_late: OnLate = Field("record", description="`trigger`: late ones make offers too.")
    on_start: OnStart = Field(
        "record", description="`trigger`: fires where it is true when a version of the playbook that changed it starts."
    )


class Table(_Part):
    """A small reference table."""

    key: ProfileField = Field(description="The field of the profile that it is looked up by: `profile.tariff`.")
    file: str = Field(
        min_length=1,
        description="CSV with a header, beside the playbook. The column of the key is named as the field (`tariff`), "
        "each value once. The content is part of the playbook's hash.",
    )


class Model(_Part):
    """A model that makes a score of numbers: a function in expressions."""

    file: str = Field(
        min_length=1, description="ONNX, beside the playbook, weights included. It is part of the playbook's hash."
    )
    inputs: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        min_length=1,
        description="Names of the arguments, in their order: those of the model's inputs; where it has one input, of "
        "the columns of that.",
    )
    output: str | None = Field(
        None, min_length=1, description="The output that is the score; needed if there are several."
    )
    column: int | None = Field(None, ge=0, description="Which column of the output, from 0; needed if it has several.")


class Level(_Part):
    """One kind of customer: what is known of it and when that matters."""

    features: dict[Name, Feature] = Field(default={}, description="Windowed aggregates of signals.")
    derived: dict[Name, Derived] = Field(default={}, description="Values computed from features.")
    segments: dict[Name, Segment] = Field(default={}, description="Living conditions.")
    moments: dict[Name, Moment] = Field(default={}, description="Points in time.")

    def above(self, name: str) -> tuple[str, ...]:
        """Return the segments of the exclusive set of segment `name` that go before it, the first one first."""
        mine = self.segments[name]
        mates = {other: one.priority for other, one in self.segments.items() if one.exclusive == mine.exclusive}
        before = {other: rank for other, rank in mates.items() if rank is not None and rank < (mine.priority or 0)}
        return tuple(sorted(before, key=before.__getitem__))


class Offer(_Part):
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
    message: Name = Field("marketing", description="The purpose of the contact.")
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


class Cap(_Part):
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


class Consent(_Part):
    """What needs the consent of a customer."""

    profiling: Basis = Field(
        description="Basis of features that are `inferred`. `opt_in`: whoever consents, by a `consent` signal of the "
        "purpose `profiling` that has not lapsed; `opt_out`: all who have not withdrawn it; `contract`: all."
    )


class Policy(_Part):
    """What all offers have to keep to."""

    consent: Consent | None = Field(None, description="What needs consent.")
    caps: Annotated[tuple[Cap, ...], Field(strict=False)] = Field(default=(), description="All of them hold.")


class Playbook(_Part):
    """Everything that turns signals into contexts and offers, in one file."""

    playbook: Name = Field(description="The name; part of every decision's identity.")
    version: int = Field(1, ge=1, description="Counts up with every change that goes live.")
    effective_from: Instant | None = Field(
        None, description="From when on it holds, where it follows another version; else a label."
    )
    time_zone: str = Field("UTC", description="Of calendar caps and of local_hour, local_weekday and local_date.")
    tick: Duration = Field(MINUTE, gt=0, description="Grid on which contexts advance and decisions are made.")
    grace: Duration = Field(2 * MINUTE, description="How far signals may come out of order and still be on time.")
    allowed_lateness: Duration = Field(DAY, description="How late a signal may come and still be applied.")
    dedup_horizon: Duration = Field(DAY, gt=0, description="How long ids are remembered.")
    erased_for: Duration = Field(
        30 * DAY,
        gt=0,
        description="How long nothing is taken in about a customer after its `erasure`; at least `allowed_lateness`.",
    )
    contexts_every: Duration = Field(DAY, gt=0, description="How often changed contexts are written unasked.")
    feed_timeout: dict[Name, Annotated[Duration, Field(gt=0)]] = Field(
        {},
        description="Signal type to how long a source of it may be silent, a multiple of `tick`: then it is down. An "
        "absence (`without`) over its type waits until it is back, at the most `within`.",
    )
    let: dict[Name, Expression] = Field({}, description="Names for use in any expression.")
    signals: SignalFiles = Field(
        min_length=1, description="Signal types it reads; `{name: file.avsc}` for one of your own."
    )
    tables: dict[Name, Table] = Field({}, description="Tables that expressions read as `TABLE.COLUMN`.")
    models: dict[Name, Model] = Field({}, description="Models that expressions call as `MODEL(value, …)`.")
    max_members: int = Field(1_000, ge=1, description="In a larger group no condition holds, so it gets no offers.")
    subscriber: Level = Field(Level(), description="The user of one line or login.")
    household: Level | None = Field(None, description="People under one roof, by their `membership`.")
    sme: Level | None = Field(None, description="A small company, by the `membership` of its people.")
    offers: dict[Name, Offer] = Field({}, description="What may be sent.")
    policy: Policy = Field(Policy(consent=None), description="Limits on contacts, and what needs consent.")
    priors: dict[Name, Share] = Field({}, description="Assumed probability of acceptance of each offer family.")

    _source: YamlSource = PrivateAttr()
    _contents: dict[str, ReferenceTable] = PrivateAttr({})
    _model_files: dict[str, ModelFile] = PrivateAttr({})

    @classmethod
    def of(cls, source: YamlSource) -> Self:
        """Return the playbook of a file's data, unchecked beyond types.

        Raises:
            pydantic.ValidationError: the data does not have the form of a playbook.
        """
        playbook = cls.model_validate(source.data)
        playbook._source = source
        return playbook

    def read_files(self) -> list[LoadError]:
        """Read tables and models, once, before anything is asked about the content; return what is wrong with them."""
        errors: list[LoadError] = []
        for name, table in self.tables.items():
            try:
                column = table.key.partition(".")[2]
                self._contents[name] = read_table(Path(self.file).parent / table.file, column)
            except LoadErrors as wrong:
                errors += wrong.errors
        for name, model in self.models.items():
            path: KeyPath = ("models", name, "file")
            try:
                self._model_files[name] = read_model(Path(self.file).parent / model.file)
            except OSError as wrong:
                errors.append(self.error(path, f"`{model.file}` cannot be read: {wrong.strerror}"))
            except ValueError as wrong:
                errors.append(self.error(path, f"`{model.file}` {wrong}"))
        return errors

    @property
    def model_files(self) -> Mapping[str, ModelFile]:
        """The models that could be read, by name."""
        return self._model_files

    @property
    def contents(self) -> Mapping[str, ReferenceTable]:
        """The tables that could be read, by name."""
        return self._contents

    @property
    def file(self) -> str:
        """The file's name as the user gave it."""
        return self._source.file

    @property
    def levels(self) -> dict[str, Level]:
        """The kinds of subjects that it is about, subscribers first; they are always there, to be told apart."""
        return {name: level for name in LEVELS if (level := getattr(self, name)) is not None}

    @property
    def profiling_needs(self) -> str:
        """The consent that inferred features need: `opt_in`, `opt_out`, or none, which is empty."""
        basis = self.policy.consent.profiling if self.policy.consent else "contract"
        return "" if basis == "contract" else basis

    @property
    def contacts_matter(self) -> int:
        """For how long a contact may matter to a later one, milliseconds: the longest cooldown or cap."""
        cooldowns = (offer.cooldown for offer in self.offers.values())
        return max((*cooldowns, *(cap.reach for cap in self.policy.caps)), default=0)

    @property
    def text(self) -> str:
        """The file's text."""
        return self._source.text

    @property
    def said(self) -> Mapping[str, Any]:
        """What the file says, as plain data."""
        return self._source.data

    def line_of(self, path: KeyPath) -> int:
        """Return the line of what stands at `path`, else of what is around it."""
        return self._source.line_of(path)

    def __hash__(self) -> int:
        """Equal files have equal hashes; plans are kept by it."""
        return hash((self.file, self.content_hash))

    @cached_property
    def content_hash(self) -> str:
        """BLAKE2b-128, hex, of what file, tables and models say: comments and the order of keys do not matter."""
        canonical = json.dumps(self._source.data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        canonical += "".join(f"\0{name} {table.version}" for name, table in sorted(self._contents.items()))
        canonical += "".join(f"\0models.{name} {model.version}" for name, model in sorted(self._model_files.items()))
        return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()

    def error(self, path: KeyPath, message: str, quoted: str = "", hint: str = "") -> LoadError:
        """Return a mistake at `path` (keys and indexes as in the file) for `LoadErrors`."""
        return self._source.error(path, message, quoted, hint)
