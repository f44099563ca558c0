"""What groups mean to a call: whose triggers are addressed to whom, what is told on, and who has left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook_levels import GROUPS
from transforms.arrays.dtypes import Bools, Ints
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.features import MEMBERSHIP, RECIPIENT_FACTS
from transforms.compiler.keys import FORWARDED
from transforms.context.conditions.segments import Changes
from transforms.context.features.timeline import EvaluationPoints, keys_in
from transforms.context.features.windows import Features
from transforms.context.grid import Span
from transforms.context.groups import facts, forwarding, notices, recipients
from transforms.context.groups.forwarding import Forwarded
from transforms.context.groups.membership import Identity, identify
from transforms.context.groups.people import PEOPLE, keep_people, leaves_of, take_people, too_large_at
from transforms.context.groups.recipient_facts import keep_facts, take_facts
from transforms.context.groups.roots import MOVES, root_changes
from transforms.context.groups.sizes import take_sizes
from transforms.context.ingest.ingest import Ingested
from transforms.context.ingest.traces import traces_at
from transforms.context.state.plan_migration import PlanMigration
from transforms.context.state.shard_state import ShardState

NOBODY = pl.DataFrame(schema=PEOPLE)


@dataclass(frozen=True)
class Addressed:
    """To whom the triggers of a span are addressed.

    Attributes:
        columns: `recipients.ADDRESS`, a row a trigger.
        moves: As `roots.MOVES`: those that bar somebody at some tick of the span.
        kept: Tables of `memory.groups` that come of it.
    """

    columns: pl.DataFrame
    moves: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MOVES))
    kept: Mapping[str, pl.DataFrame] = field(default_factory=dict)


@dataclass
class GroupRouting:
    """A call of subscribers where a playbook knows no groups.

    Attributes:
        leaves: Which members leave groups in the span: code, member, tick.
        asked: Keys of subjects and ticks whose context somebody asks for.
        plan: The level's plan.
        memory: What the shard remembers.
        ingested: What became of the signals.
    """

    leaves: pl.DataFrame
    asked: Ints
    plan: ContextPlan
    memory: ShardState
    ingested: Ingested

    def ignores(self, points: EvaluationPoints) -> Bools:
        """Tell at which pairs a group is ignored because it is too large."""
        return np.zeros(len(points), bool)

    def address(self, triggers: pl.DataFrame) -> Addressed:
        """Address triggers: columns code, tick, subject, trigger."""
        return Addressed(recipients.of_lone_subscribers(triggers))

    def forward(
        self, features: Features, changes: Changes, points: EvaluationPoints, addressed: Addressed, span: Span
    ) -> Forwarded:
        """Return what is forwarded to groups."""
        return Forwarded()

    def facts(self, changes: Changes, span: Span, migration: PlanMigration | None) -> list[pa.RecordBatch]:
        """Return what contact roots are told, as `schemas.records.FACT`; of all that is new to them, if a plan is."""
        return facts.of_own_roots(self.plan, self.memory, changes, migration)

    def notices(self, span: Span) -> list[pa.RecordBatch]:
        """Return what contact roots are told of signals, as `schemas.records.NOTICE` and the payload."""
        return notices.of_own_roots(self.plan, self.memory, self.ingested, span)

    def commit(self, addressed: Addressed, forwarded: Forwarded) -> None:
        """Keep what later calls need, after all else."""


@dataclass
class _Members(GroupRouting):
    """A call of subscribers who may be in groups; `told` is what these hear of them as recipients."""

    identity: Identity
    told: Sequence[pa.RecordBatch]

    @cached_property
    def _moved(self) -> pl.DataFrame:
        """Who changes the contact root, as `roots.root_changes`."""
        return root_changes(self.identity.stays, self.memory.subjects["subject"], self.identity.since)

    def address(self, triggers: pl.DataFrame) -> Addressed:
        moves, triggered = recipients.moves_in(self.plan, self.memory, self._moved, triggers)
        later = moves.filter(pl.col("until") > self.memory.closed)
        kept = {recipients.MOVES: later, recipients.TRIGGERED: triggered}
        return Addressed(recipients.of_subscribers(self.identity, moves, triggers), moves, kept)

    def forward(
        self, features: Features, changes: Changes, points: EvaluationPoints, addressed: Addressed, span: Span
    ) -> Forwarded:
        traces = partial(traces_at, self.ingested.traces, span)
        people = forwarding.people_to_groups(self.plan, self.memory, self.identity, addressed.moves)
        signals = forwarding.signals_to_groups(self.plan, self.memory, self.identity, self.ingested)
        members = forwarding.members_to_groups(self.plan, self.memory, features, self.identity, changes, points, traces)
        return Forwarded([*people, *self.told, *signals, *members.batches], members.kept)

    def facts(self, changes: Changes, span: Span, migration: PlanMigration | None) -> list[pa.RecordBatch]:
        segments = facts.of_subscribers(self.plan, self.memory, self.identity, self._moved, changes, migration)
        return [*segments, *facts.of_moves(self.plan, self.memory, self._moved)]

    def notices(self, span: Span) -> list[pa.RecordBatch]:
        return notices.of_subscribers(self.plan, self.memory, self.identity, self._moved, self.ingested, span)

    def commit(self, addressed: Addressed, forwarded: Forwarded) -> None:
        others = {name: table for name, table in self.memory.groups.items() if not name.startswith(FORWARDED)}
        self.memory.groups = {**others, **addressed.kept, **forwarded.kept}


@dataclass
class _Group(GroupRouting):
    """A call of groups; `known` is what they know of members as recipients."""

    people: pl.DataFrame
    sizes: pl.DataFrame
    known: pl.DataFrame

    def ignores(self, points: EvaluationPoints) -> Bools:
        return too_large_at(self.plan.grid, self.people, points, self.plan.max_members)

    def address(self, triggers: pl.DataFrame) -> Addressed:
        return Addressed(recipients.of_groups(self.plan, self.people, self.known, triggers))

    def facts(self, changes: Changes, span: Span, migration: PlanMigration | None) -> list[pa.RecordBatch]:
        segments = facts.of_groups(self.plan, self.memory, self.people, changes, span, migration)
        return [*segments, *facts.of_sizes(self.plan, self.memory, self.sizes)]

    def notices(self, span: Span) -> list[pa.RecordBatch]:
        if self.plan.level == GROUPS[0]:
            return super().notices(span)
        return notices.of_companies(self.plan, self.memory, self.people, self.ingested, span)

    def commit(self, addressed: Addressed, forwarded: Forwarded) -> None:
        keep_people(self.people, self.memory, self.leaves)
        keep_facts(self.known, self.memory)


def group_routing(
    plan: ContextPlan, memory: ShardState, ingested: Ingested, span: Span, migration: PlanMigration | None
) -> GroupRouting:
    """Return what groups mean to a call, after its signals were taken in."""
    memberships, nothing = ingested.applied.get(MEMBERSHIP), np.empty(0, np.int64)
    if plan.level in GROUPS:
        people = take_people(plan.grid, memory, memberships)
        sizes = take_sizes(memory, people, span, plan.max_members)
        ingested.counts["groups_too_large"] = int(sizes["member"].sum())
        new = people.filter(pl.col("tick") >= span.first)
        turns = pl.concat([new.select("code", "tick"), sizes.select("code", "tick")])
        asked = keys_in(plan.grid, turns)
        known = take_facts(plan.grid, memory, ingested.applied.get(RECIPIENT_FACTS))
        return _Group(leaves_of(people), asked, plan, memory, ingested, people, sizes, known)
    if not plan.forwards:
        return GroupRouting(NOBODY, nothing, plan, memory, ingested)
    identity = identify(memory, memberships, plan.allowed_lateness, plan.min_confidence)
    ingested.counts.update(contradictory=identity.contradictory, doubtful=identity.doubtful)
    told = [*forwarding.facts_to_groups(plan, memory, identity, ingested, span, migration)]
    return _Members(NOBODY, forwarding.joins(plan, identity), plan, memory, ingested, identity, told)
