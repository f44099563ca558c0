"""The levels of a playbook: features, derived values, segments and moments of one kind of customer."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.durations import DAY, HOUR, MINUTE, Duration
from schemas.fields import (
    Column,
    Expression,
    Name,
    Names,
    Shares,
    Step,
)

GROUPS = ("household", "sme")


LEVELS = ("subscriber", *GROUPS)
"""Kinds of subjects, each a section of a playbook."""


MEMBERS = "members"
"""What a group's feature reads `from` that aggregates its members' contexts instead of signals."""


AGGREGATES = ("count", "sum", "min", "max", "mean", "distinct", "first", "last", "seconds_since_last")


STEPS = ("after", "then", "without")


EXACT_LIMIT = 2 * HOUR
"""Windows that reach no further back than this are exact; the tail of longer ones moves by the pane."""


OnLate = Literal["record", "trigger"]
OnStart = Literal["record", "trigger"]


Refresh = Annotated[
    Duration | None,
    Field(
        gt=0,
        description="How often what drifts by time alone (`days_until`, `half_life`) is looked at: whole days at "
        "midnight in `time_zone`, all else at the multiples of this from 1970 UTC on. A multiple of `tick`; 1d where "
        "it is needed and not given.",
    ),
]


class Part(BaseModel):
    """A part of a playbook: nothing is coerced, nothing unknown is accepted, nothing changes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Feature(Part):
    """A windowed aggregate of one type of signal per subject: exactly one aggregate, of one column."""

    count: Column | None = Field(None, description="How many signals have the column; `any` counts all.")
    sum: Column | None = Field(None, description="Sum of a numeric column; 0 for none, NULL beyond 64 bits.")
    min: Column | None = Field(None, description="Least value of a numeric column; NULL for none.")
    max: Column | None = Field(None, description="Greatest value of a numeric column; NULL for none.")
    mean: Column | None = Field(None, description="Mean of a numeric column; NULL for none.")
    distinct: Column | None = Field(None, description="How many different values the column has, exactly; 0 for none.")
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
        "now, one row each. Of a member can be read: `role`, features (but `seconds_since_last`), derived values and "
        "segments of `subscriber`, and those `profile.FIELD` and `TABLE.COLUMN` that `subscriber` itself reads.",
    )
    where: Expression | None = Field(
        None,
        description="Which signals or members take part: an expression over their columns. Where it is NULL "
        "they do not.",
    )
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


class Derived(Part):
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


class Segment(Part):
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


class Moment(Part):
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


class Level(Part):
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
