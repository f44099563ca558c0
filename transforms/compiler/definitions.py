"""What a playbook's level means to the kernels: measures, features, conditions in the order they are evaluated."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import polars as pl

from transforms.arrays.hashing import apart
from transforms.compiler.compile_expression import Expression
from transforms.compiler.steps import Sequence
from transforms.context.features.refreshes import Refreshes

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
    """So many days before a date, noticed at the first refresh after it has begun."""

    days: int
    refreshes: Refreshes


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
        of_members: Of one over members, the features that it reads of them, through derived values and segments too.
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
    of_members: tuple["Feature", ...] = ()

    @property
    def behind(self) -> tuple["Feature", ...]:
        """All that must be complete before it is: itself, and what it reads of members."""
        return (self, *self.of_members)

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
        parts = [self.measure.key, self.aggregate, str(self.window), str(self.offset), *filter(None, [self.consent])]
        return hashlib.blake2b(apart(*parts), digest_size=6).hexdigest()

    def complete_at(self, since: int) -> int:
        """Return from when on its window has nothing before `since`, the pane of its tail included; milliseconds."""
        return (-(-since // self.pane) * self.pane if self.pane > 0 else since) + (self.reach or 0)


class Fading(NamedTuple):
    """How a value that is not held up fades: by half in every `half_life` (milliseconds), at each refresh."""

    half_life: int
    refreshes: Refreshes

    @property
    def canonical(self) -> str:
        """What tells definitions apart; in UTC a day begins where its multiples do."""
        where = f", zone={self.refreshes.zone}" if self.refreshes.local else ""
        return f"Fading(half_life={self.half_life}, refresh={self.refreshes.every}{where})"


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
    """Conditions that read only features, and segments of the strata before.

    Attributes:
        derived: The values that they read, in order of evaluation; of those that fade all of this depth.
        segments: Memberships.
        moments: Moments.
        reads: What they read, through derived values too, and the segments that go before theirs.
    """

    derived: tuple[Derived, ...]
    segments: tuple[Segment, ...]
    moments: tuple[Moment, ...]
    reads: frozenset[Name]
