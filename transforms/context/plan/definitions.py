"""What a playbook's level means to the kernels: measures, features, conditions in the order they are evaluated."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import polars as pl

from schemas.playbook import MEMBERS
from transforms.context.plan.expressions import Expression
from transforms.context.plan.steps import MADE, WITHOUT, Sequence, Step
from transforms.context.ticks import EVER, Grid

Name = str

CONSENTS = ("opt_in", "opt_out")
"""Aggregates that tell whether somebody consents: not unless it is granted, or unless it is withdrawn."""

NO_END = 9_000_000_000_000_000
"""Later than all times: until when a consent holds that does not lapse."""


@dataclass(frozen=True)
class Measure:
    """One column of a signal where a condition holds; NULL elsewhere.

    Attributes:
        key: Hash of the definition: what stays the same when a playbook changes keeps its state.
        column: The contract's column; None measures the row itself.
        where: The condition, None for every row.
        scale: Decimals that the state keeps of a double; 0 for all other types.
        dtype: Type in the state.
        value: What is measured instead of a column, None for that.
    """

    key: str
    column: str | None
    where: Expression | None
    scale: int
    dtype: pl.DataType
    value: Expression | None = None

    @property
    def reads(self) -> frozenset[str]:
        """The columns that it reads."""
        read = [one.columns for one in (self.where, self.value) if one]
        return frozenset({self.column} if self.column else ()).union(*read)


class Deadline(NamedTuple):
    """So many days before a date in a time zone, noticed at the first multiple of `refresh` (milliseconds) after."""

    days: int
    refresh: int
    zone: str


@dataclass(frozen=True)
class Feature:
    """A windowed aggregate of one measure.

    Attributes:
        name: Its column in expressions and contexts.
        signal: The signal type it reads.
        aggregate: count, sum, min, max, mean, distinct, first, last, seconds_since_last; or latest, the value of the
            latest row, NULL included; or opt_in, opt_out, whether the last value means consent at the tick.
        measure: What it aggregates.
        window: W, milliseconds; None is all time.
        offset: How far the window lies back, milliseconds.
        pane: 0 for an exact window, else the pane by which its tail moves.
        head_pane: The pane by which its head moves, 0 for an exact head.
        thresholds: Seconds that a seconds_since_last is compared with.
        deadlines: Days before the date in it at which a condition may change.
        consent: The consent without which it is not computed, opt_in or opt_out; empty if it needs none.
    """

    name: Name
    signal: str
    aggregate: str
    measure: Measure
    window: int | None
    offset: int
    pane: int
    head_pane: int
    thresholds: tuple[float, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    consent: str = ""

    @property
    def dtype(self) -> pl.DataType:
        """Type of the feature in expressions and contexts."""
        if self.aggregate in ("count", "distinct"):
            return pl.Int64()
        if self.aggregate in CONSENTS:
            return pl.Boolean()
        if self.aggregate in ("mean", "seconds_since_last") or self.measure.scale:
            return pl.Float64()
        return self.measure.dtype

    @property
    def reach(self) -> int | None:
        """How far back it looks, milliseconds; None is for ever."""
        return None if self.window is None else self.window + self.offset

    @cached_property
    def key(self) -> str:
        """Hash of the definition, whatever its name: what stays the same when a playbook changes keeps its history."""
        said = [self.measure.key, self.aggregate, str(self.window), str(self.offset), *filter(None, [self.consent])]
        return hashlib.blake2b("\0".join(said).encode(), digest_size=6).hexdigest()

    def complete_at(self, since: int) -> int:
        """Return from when on its window has nothing before `since`, the pane of its tail included; milliseconds."""
        return (-(-since // self.pane) * self.pane if self.pane > 0 else since) + (self.reach or 0)


class Fading(NamedTuple):
    """How a value that is not held up fades: by half in every `half_life`, each `refresh`; milliseconds."""

    half_life: int
    refresh: int


@dataclass(frozen=True)
class Derived:
    """An expression over features; one with `bounds` is clipped to them and a double, as is one that fades.

    `consent`: whether anything that it reads is inferred, so that nothing is left of it without consent.
    """

    name: Name
    expression: Expression
    bounds: tuple[float, float] | None
    fading: Fading | None = None
    consent: bool = False

    @property
    def column(self) -> pl.Expr:
        """The derived value as a polars expression; of one that fades what holds it up."""
        expr = self.expression.expr.cast(self.dtype)
        return (expr.clip(*self.bounds) if self.bounds else expr).alias(self.name)

    @property
    def dtype(self) -> pl.DataType:
        """Type of the value in expressions and contexts."""
        return pl.Float64() if self.bounds or self.fading else self.expression.dtype


@dataclass(frozen=True)
class Segment:
    """A living condition. `hold` and `expire` are whole ticks, milliseconds.

    `above` are the segments of its exclusive set that go before it. `triggers` holds the transitions that a live offer
    names: `entered`, `exited`. `on_start`: whether those are triggers too that come of the first tick of a version in
    which it is new or changed. `consent`: whether anything that decides about it is inferred, so that it needs consent.
    """

    name: Name
    enter: Expression
    exit: Expression | None
    hold: int
    expire: int | None
    above: tuple[Name, ...]
    triggers: frozenset[str]
    late_triggers: bool
    on_start: bool = False
    consent: bool = False


@dataclass(frozen=True)
class Moment:
    """A rising edge, repeated every `repeat` while true, or a sequence; at most one in `again_after` (milliseconds).

    `when` of a sequence must hold where that is complete. `on_start`: whether it fires where it is true at the first
    tick of a version in which it is new or changed.
    """

    name: Name
    when: Expression
    sequence: Sequence | None
    repeat: int | None
    again_after: int | None
    triggers: bool
    late_triggers: bool
    on_start: bool = False


@dataclass(frozen=True)
class Stratum:
    """Conditions that read only features, and segments of the strata before."""

    derived: tuple[Derived, ...]
    segments: tuple[Segment, ...]
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class SignalPlan:
    """What a level takes from one signal type.

    Attributes:
        columns: The payload columns that travel.
        measures: What the state keeps of a row.
        features: What is computed from them.
        ordered: Whether ties of time matter (first, last, latest), so that source and id are kept.
        passed: The columns that are told to groups, or that a group is told, with `source` and `id` where they matter;
            None if nobody is told of the rows.
        by_member: Whether the state keeps rows of a group apart by the member that they are of.
        steps: Its parts in sequences, each with the key of its sequence.
    """

    signal: str
    columns: tuple[str, ...]
    measures: tuple[Measure, ...]
    features: tuple[Feature, ...]
    ordered: bool
    steps: tuple[tuple[str, Step], ...] = ()
    passed: frozenset[str] | None = None
    by_member: bool = False

    @property
    def ties(self) -> tuple[str, ...]:
        """The columns that order rows of one time."""
        return ("source", "id") if self.ordered else ()

    @property
    def told_apart(self) -> tuple[str, ...]:
        """`source` and `id`, if features or sequences tell rows of one time apart by them."""
        return ("source", "id") if self.ordered or any(step.part != WITHOUT for _, step in self.steps) else ()

    @property
    def whose(self) -> tuple[str, ...]:
        """The columns, beside the subject's, by which rows are kept apart."""
        return ("member",) if self.by_member else ()

    @cached_property
    def reads(self) -> frozenset[str]:
        """The columns that measures and steps read, local times and source included."""
        steps = [step for _, step in self.steps]
        where = [step.where.columns for step in steps if step.where]
        return frozenset().union(*(m.reads for m in self.measures), *where, *(s.columns for s in steps))

    @cached_property
    def every_row(self) -> bool:
        """Whether a row counts although none of its measures has a value.

        What a member tells replaces what it told before.
        """
        whole = any(not measure.reads for measure in self.measures)
        return whole or self.signal == MEMBERS or any(feature.aggregate == "latest" for feature in self.features)

    @cached_property
    def panes(self) -> tuple[int, ...]:
        """The panes into which old rows are compacted, the coarsest last; empty if all windows are exact."""
        return tuple(sorted({f.pane for f in self.features if f.pane}, key=lambda pane: (pane != EVER, pane)))


@dataclass(frozen=True)
class Forward:
    """What subscribers tell the groups of one kind that they are in.

    Attributes:
        kind: household or sme.
        signals: By type, the payload columns of signals that the group's features read, with `source` and `id`
            where ties matter.
        members: What the group aggregates of its members' contexts.
    """

    kind: str
    signals: Mapping[str, tuple[str, ...]]
    members: tuple[Measure, ...]


@dataclass(frozen=True)
class Record:
    """Columns that the records of all levels of a playbook share; a level leaves those of others NULL.

    Attributes:
        context: Features and derived values, by name.
        evidence: Those of them, and segments, that the conditions behind triggers read.
    """

    context: Mapping[Name, pl.DataType]
    evidence: Mapping[Name, pl.DataType]


@dataclass(frozen=True)
class ContextPlan:
    """One level of a playbook, ready to be advanced.

    Attributes:
        level: The kind of subject.
        grid: Ticks and panes.
        allowed_lateness: How late a row may be and still be applied, milliseconds.
        dedup_horizon: How long ids are remembered, milliseconds.
        contexts_every: How often a changed context is written, milliseconds.
        zone: Time zone of local_hour, local_weekday and local_date.
        signals: The signals of the playbook, by type.
        strata: The conditions, in order of evaluation.
        derived: All derived values, in order of evaluation.
        needed: Names of the features that conditions read, directly or through derived values.
        record: The columns of records.
        max_members: A larger group is ignored.
        told_segments: The segments that offers for other levels read.
        roles: By trigger of a group, the order of roles in which a recipient is looked for.
        contacts_matter: For how long a contact may matter to a later one, milliseconds.
        forwards: What goes to groups, one for each kind that the playbook is about; subscribers' only.
        erased_for: For how long nothing is taken in about a subject that was erased, milliseconds.
        effective_from: When its version takes over from another, milliseconds; None if it does not say.
        keys: Hash of each definition, by name; see `keys.definition_keys`.
    """

    level: str
    grid: Grid
    allowed_lateness: int
    dedup_horizon: int
    contexts_every: int
    zone: str
    signals: Mapping[str, SignalPlan]
    strata: tuple[Stratum, ...]
    derived: tuple[Derived, ...]
    needed: frozenset[str]
    record: Record = Record({}, {})
    max_members: int = 0
    told_segments: frozenset[str] = frozenset()
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    contacts_matter: int = 0
    forwards: tuple[Forward, ...] = ()
    erased_for: int = 0
    effective_from: int | None = None
    keys: Mapping[Name, str] = field(default_factory=dict)

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """All features, in the order of the signals."""
        return tuple(feature for signal in self.signals.values() for feature in signal.features)

    @cached_property
    def trigger_columns(self) -> dict[str, pl.DataType]:
        """What triggers tell of the signals that made them: `trigger.X`, in order."""
        kept = [moment.sequence.columns for moment in self.moments if moment.sequence]
        named = {f"{MADE}{name}": dtype for columns in kept for name, dtype in columns.items()}
        return dict(sorted(named.items()))

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """All segments, in order of evaluation."""
        return tuple(segment for stratum in self.strata for segment in stratum.segments)

    @cached_property
    def moments(self) -> tuple[Moment, ...]:
        """All moments, in order of evaluation."""
        return tuple(moment for stratum in self.strata for moment in stratum.moments)
