"""The plan of one level: what it takes from signals, what it computes in which order, what it tells others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from schemas.playbook_levels import MEMBERS
from transforms.compiler.compile_expression import Expression
from transforms.compiler.definitions import Derived, Feature, Measure, Moment, Name, Segment, Stratum
from transforms.compiler.notices import GOAL, Notice
from transforms.compiler.reach import Way
from transforms.compiler.steps import MADE, WITHOUT, Step
from transforms.context.grid import EVER, Grid


class Goal(NamedTuple):
    """Which rows of a signal fulfil the goal of an offer; all where `where` is None."""

    offer: str
    where: Expression | None


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
        noticed: The columns that contact roots are told; empty if they are not told of the signal.
        by_member: Whether the state keeps rows of a group apart by the member that they are of.
        steps: Its parts in sequences, each with the key of its sequence.
        goals: The goals of offers that its rows may fulfil.
    """

    signal: str
    columns: tuple[str, ...]
    measures: tuple[Measure, ...]
    features: tuple[Feature, ...]
    ordered: bool
    steps: tuple[tuple[str, Step], ...] = ()
    passed: frozenset[str] | None = None
    noticed: tuple[str, ...] = ()
    by_member: bool = False
    goals: tuple[Goal, ...] = ()

    @property
    def ties(self) -> tuple[str, ...]:
        """The columns that order rows of one time."""
        return ("source", "id") if self.ordered else ()

    @property
    def tiebreakers(self) -> tuple[str, ...]:
        """`source` and `id`, if features or sequences tell rows of one time apart by them."""
        return ("source", "id") if self.ordered or any(step.part != WITHOUT for _, step in self.steps) else ()

    @property
    def whose(self) -> tuple[str, ...]:
        """The columns, beside the subject's, by which rows are kept apart."""
        return ("member",) if self.by_member else ()

    @cached_property
    def reads(self) -> frozenset[str]:
        """The columns that measures, steps and goals read, local times and source included."""
        steps = [step for _, step in self.steps]
        where = [step.where.columns for step in steps if step.where]
        where += [goal.where.columns for goal in self.goals if goal.where]
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
        facts: Of what signals of members, consent and profile, it is told whom it may address.
    """

    kind: str
    signals: Mapping[str, tuple[str, ...]]
    members: tuple[Measure, ...]
    facts: frozenset[str] = frozenset()


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
        min_confidence: Memberships that are less certain are not acted upon.
        announced_segments: The segments that offers for other levels read, and those that offers wait for.
        announces_moves: Whether contact roots are told who has left them: offers wait there.
        roles: By trigger of a group, the order of roles in which a recipient is looked for; None: any other.
        ways: By trigger of a group, how a recipient may be in reach; not of triggers for which everybody is.
        contacts_matter: For how long a contact may matter to a later one, milliseconds.
        goals_matter: For how long it may matter that a goal was reached, milliseconds.
        move_bars: For how long a change of contact root bars contacting somebody, milliseconds.
        notices: The signals that contact roots are told of, by type.
        notice_schemas: The columns of their batches.
        names: What controls may name, by scope.
        members: The features of a group's members; empty for subscribers.
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
    min_confidence: float = 0.0
    announced_segments: frozenset[str] = frozenset()
    announces_moves: bool = False
    roles: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    ways: Mapping[str, tuple[Way, ...]] = field(default_factory=dict)
    contacts_matter: int = 0
    goals_matter: int = 0
    move_bars: int = 0
    notices: Mapping[str, Notice] = field(default_factory=dict)
    notice_schemas: Mapping[str, pa.Schema] = field(default_factory=dict)
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    members: tuple[Feature, ...] = ()
    forwards: tuple[Forward, ...] = ()
    erased_for: int = 0
    effective_from: int | None = None
    keys: Mapping[Name, str] = field(default_factory=dict)

    def kept_for(self, notice: str) -> int:
        """How old contacts, outcomes or goals reached may be, by event time, of which a new contact root is told."""
        matter = self.goals_matter if notice == GOAL else self.contacts_matter
        return matter + self.allowed_lateness

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
