"""What groups mean to a call: whose triggers are addressed to whom, what is told on, and who has left."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook_levels import GROUPS
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.features import MEMBERSHIP
from transforms.context.conditions.segments import MembershipChanges
from transforms.context.features.timeline import EvaluationPoints, keys_of
from transforms.context.features.windows import Features
from transforms.context.grid import Bools, Ints, Span
from transforms.context.groups import facts, forwarding, recipients
from transforms.context.groups.identity import Identity, identify
from transforms.context.groups.people import PEOPLE, keep_people, leaves_of, take_people, too_large_at
from transforms.context.groups.sizes import take_sizes
from transforms.context.ingest.ingest import Ingested
from transforms.context.state.plan_migration import PlanMigration
from transforms.context.state.shard_state import ShardState

NOBODY = pl.DataFrame(schema=PEOPLE)


@dataclass
class GroupRouting:
    """A call of subscribers where a playbook knows no groups.

    Attributes:
        leaves: Which members leave groups in the span: code, member, tick.
        asked: Keys of subjects and ticks whose context somebody asks for.
    """

    leaves: pl.DataFrame
    asked: Ints

    def ignores(self, points: EvaluationPoints) -> Bools:
        """Tell at which pairs a group is ignored because it is too large."""
        return np.zeros(len(points), bool)

    def address(self, triggers: pl.DataFrame) -> pl.DataFrame:
        """Return `recipients.ADDRESS` of triggers: columns code, tick, subject, trigger."""
        return recipients.of_lone_subscribers(triggers)

    def tell(
        self, features: Features, changes: Mapping[str, MembershipChanges], points: EvaluationPoints
    ) -> list[pa.RecordBatch]:
        """Return what is told to groups, after all triggers were addressed; forget what no later call needs."""
        return []

    def facts(
        self, changes: Mapping[str, MembershipChanges], span: Span, change: PlanMigration | None
    ) -> list[pa.RecordBatch]:
        """Return what contact roots are told, as `schemas.records.FACT`; of all that is new to them, if a plan is."""
        return []


@dataclass
class _Members(GroupRouting):
    """A call of subscribers who may be in groups."""

    plan: ContextPlan
    memory: ShardState
    intake: Ingested
    identity: Identity
    moves: pl.DataFrame = field(init=False)

    def address(self, triggers: pl.DataFrame) -> pl.DataFrame:
        self.moves = recipients.moves_in(self.plan, self.memory, self.identity, triggers)
        return recipients.of_subscribers(self.identity, self.moves, triggers)

    def tell(
        self, features: Features, changes: Mapping[str, MembershipChanges], points: EvaluationPoints
    ) -> list[pa.RecordBatch]:
        members = forwarding.members_to_groups(self.plan, self.memory, features, self.identity, changes, points)
        told = [
            *forwarding.people_to_groups(self.plan, self.memory, self.identity, self.moves),
            *forwarding.signals_to_groups(self.plan, self.memory, self.identity, self.intake),
            *members,
        ]
        self.memory.groups[recipients.MOVES] = self.moves.filter(pl.col("until") > self.memory.closed)
        return told

    def facts(
        self, changes: Mapping[str, MembershipChanges], span: Span, change: PlanMigration | None
    ) -> list[pa.RecordBatch]:
        return facts.of_subscribers(self.plan, self.memory, self.identity, changes, change)


@dataclass
class _Group(GroupRouting):
    """A call of groups."""

    plan: ContextPlan
    memory: ShardState
    people: pl.DataFrame
    sizes: pl.DataFrame

    def ignores(self, points: EvaluationPoints) -> Bools:
        return too_large_at(self.plan.grid, self.people, points, self.plan.max_members)

    def address(self, triggers: pl.DataFrame) -> pl.DataFrame:
        return recipients.of_groups(self.plan, self.people, triggers)

    def tell(
        self, features: Features, changes: Mapping[str, MembershipChanges], points: EvaluationPoints
    ) -> list[pa.RecordBatch]:
        keep_people(self.people, self.memory, self.leaves)
        return []

    def facts(
        self, changes: Mapping[str, MembershipChanges], span: Span, change: PlanMigration | None
    ) -> list[pa.RecordBatch]:
        segments = facts.of_groups(self.plan, self.memory, self.people, changes, span, change)
        return [*segments, *facts.of_sizes(self.plan, self.memory, self.sizes)]


def group_routing(plan: ContextPlan, memory: ShardState, intake: Ingested, span: Span) -> GroupRouting:
    """Return what groups mean to a call, after its signals were taken in."""
    told, nothing = intake.applied.get(MEMBERSHIP), np.empty(0, np.int64)
    if plan.level in GROUPS:
        people = take_people(plan.grid, memory, told)
        sizes = take_sizes(memory, people, span, plan.max_members)
        intake.counts["groups_too_large"] = int(sizes["member"].sum())
        new = people.filter(pl.col("tick") >= span.first)
        turns = pl.concat([new.select("code", "tick"), sizes.select("code", "tick")])
        asked = keys_of(plan.grid, turns["code"].to_numpy(), turns["tick"].to_numpy())
        return _Group(leaves_of(people), asked, plan, memory, people, sizes)
    if not plan.forwards:
        return GroupRouting(NOBODY, nothing)
    identity = identify(memory, told, plan.allowed_lateness, plan.min_confidence)
    intake.counts.update(contradictory=identity.contradictory, doubtful=identity.doubtful)
    return _Members(NOBODY, forwarding.joins(plan, identity), plan, memory, intake, identity)
