"""What contact roots are told: of memberships that their offers read, `household.homeworker`; of being too large."""

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.records import FACT, MOVED, TOO_LARGE
from transforms.arrays.dtypes import Ints
from transforms.compiler.context_plan import ContextPlan
from transforms.context.conditions.segments import Changes
from transforms.context.features.timeline import EvaluationPoints
from transforms.context.grid import Span
from transforms.context.groups.membership import Identity
from transforms.context.groups.people import present_at
from transforms.context.groups.roots import groups_at, root_of
from transforms.context.state.plan_migration import PlanMigration
from transforms.context.state.shard_state import ShardState


def of_own_roots(
    plan: ContextPlan, memory: ShardState, changes: Changes, migration: PlanMigration | None
) -> list[pa.RecordBatch]:
    """Tell subscribers, where a playbook knows no groups, of their own segments.

    Args:
        plan: The subscribers' plan; `announced_segments` says which.
        memory: Has the ids.
        changes: What happened to the segments.
        migration: What a new plan changed.
    """
    if not plan.announced_segments:
        return []
    ids = memory.subjects["subject"]
    events = pl.concat([_events(plan, changes), _news(plan, changes, migration, np.arange(len(ids)))])
    own = pl.Series("root", ids.gather(events["code"]), dtype=pl.String)
    return _batch(plan, memory, events.with_columns(own, root_kind=pl.lit(plan.level)))


def of_moves(plan: ContextPlan, memory: ShardState, moved: pl.DataFrame) -> list[pa.RecordBatch]:
    """Tell contact roots where somebody may wait which subscribers have another one now.

    Args:
        plan: The subscribers' plan.
        memory: Has the ids.
        moved: As `roots.root_changes`.
    """
    if not plan.announces_moves:
        return []
    ticks = pl.Series(plan.grid.after(moved["time"].to_numpy()), dtype=pl.Int64)
    gone = moved.select("code", root_kind="old_kind", root="old_root")
    return _batch(plan, memory, gone.with_columns(tick=ticks, segment=pl.lit(MOVED), member=pl.lit(True)))


def of_subscribers(
    plan: ContextPlan,
    memory: ShardState,
    identity: Identity,
    moved: pl.DataFrame,
    changes: Changes,
    migration: PlanMigration | None,
) -> list[pa.RecordBatch]:
    """Tell the root of a subscriber of its segments; a new root of all of them, the old one that they are gone.

    Args:
        plan: The subscribers' plan; `announced_segments` says which.
        memory: Has the ids.
        identity: Who is in which group.
        moved: As `roots.root_changes`.
        changes: What happened to the segments.
        migration: What a new plan changed.
    """
    if not plan.announced_segments:
        return []
    ids, events = memory.subjects["subject"], _events(plan, changes)
    events = pl.concat([events, _news(plan, changes, migration, np.arange(len(ids)))])
    codes, before = events["code"].to_numpy(), events["tick"].to_numpy() - 1
    turned = events.hstack(root_of(groups_at(identity.stays, codes, before), ids[codes]))
    ticks = plan.grid.after(moved["time"].to_numpy())
    now = _all_segments(plan, changes, moved.with_columns(tick=pl.Series(ticks, dtype=pl.Int64)))
    gone = now.with_columns(root_kind="old_kind", root="old_root", member=pl.lit(False))
    rows = pl.concat(each.select(turned.columns) for each in (turned, now, gone))
    return _batch(plan, memory, rows)


def of_groups(
    plan: ContextPlan,
    memory: ShardState,
    people: pl.DataFrame,
    changes: Changes,
    span: Span,
    migration: PlanMigration | None,
) -> list[pa.RecordBatch]:
    """Tell the roots of a group's members of its segments, and the root of a new member of all of them.

    Args:
        plan: The group's plan; `announced_segments` says which.
        memory: Has the ids.
        people: As `people.PEOPLE`.
        changes: What happened to the segments.
        span: The ticks of the call.
        migration: What a new plan changed.
    """
    if not plan.announced_segments:
        return []
    news = _news(plan, changes, migration, np.arange(memory.subjects.height))
    turned = present_at(people, pl.concat([_events(plan, changes), news]))
    new = people.filter(pl.col("joined") & (pl.col("tick") >= span.first) & (pl.col("tick") <= span.upto))
    events = pl.concat(each.select(*EVENT, "household") for each in (turned, _all_segments(plan, changes, new)))
    elsewhere = pl.lit(plan.level != "household") & pl.col("household").is_not_null()
    own = pl.Series("own", memory.subjects["subject"].gather(events["code"]))
    rows = events.with_columns(own).with_columns(
        root_kind=pl.when(elsewhere).then(pl.lit("household")).otherwise(pl.lit(plan.level)),
        root=pl.when(elsewhere).then("household").otherwise("own"),
    )
    return _batch(plan, memory, rows)


def of_sizes(plan: ContextPlan, memory: ShardState, sizes: pl.DataFrame) -> list[pa.RecordBatch]:
    """Tell groups as contact roots that they are too large, or so no more.

    Args:
        plan: The group's plan.
        memory: Has the ids.
        sizes: As `sizes.take_sizes` gives them.
    """
    if sizes.is_empty():
        return []
    own = pl.Series("root", memory.subjects["subject"].gather(sizes["code"]), dtype=pl.String)
    rows = sizes.with_columns(own, root_kind=pl.lit(plan.level), segment=pl.lit(TOO_LARGE))
    return _batch(plan, memory, rows)


EVENT = {"code": pl.Int64, "tick": pl.Int64, "segment": pl.String, "member": pl.Boolean}


def _events(plan: ContextPlan, changes: Changes) -> pl.DataFrame:
    """Return who entered and left the segments that roots are told of: the columns of `EVENT`."""
    none = pl.DataFrame(schema=EVENT)
    turns = (
        changes[name]
        .events.filter(pl.col("event") != "refreshed")
        .select("code", "tick", segment=pl.lit(name), member=pl.col("event") == "entered")
        for name in sorted(plan.announced_segments)
    )
    return pl.concat([none, *turns])


def _news(plan: ContextPlan, changes: Changes, migration: PlanMigration | None, codes: Ints) -> pl.DataFrame:
    """Return who is in the segments that roots were not told of before, and who is not, at the first tick of a plan."""
    if migration is None or not migration.announced:
        return pl.DataFrame(schema=EVENT)
    who = pl.DataFrame({"code": codes}).with_columns(tick=pl.lit(migration.tick, pl.Int64))
    return _all_segments(plan, changes, who).filter(pl.col("segment").is_in(migration.announced)).select(*EVENT)


def _all_segments(plan: ContextPlan, changes: Changes, who: pl.DataFrame) -> pl.DataFrame:
    """Return for each (code, tick) whether it is a member of each segment that roots are told of."""
    ordered = who.sort("code", "tick")
    points = EvaluationPoints(ordered["code"].to_numpy(), ordered["tick"].to_numpy())
    each = (
        ordered.with_columns(segment=pl.lit(name), member=pl.Series(changes[name].member_at(plan.grid, points)))
        for name in sorted(plan.announced_segments)
    )
    return pl.concat(each)


def _batch(plan: ContextPlan, memory: ShardState, rows: pl.DataFrame) -> list[pa.RecordBatch]:
    facts = rows.with_columns(
        pl.Series("subject", memory.subjects["subject"].gather(rows["code"]), dtype=pl.String),
        subject_kind=pl.lit(plan.level),
        segment=pl.format("{}.{}", pl.lit(plan.level), "segment"),
    )
    table = facts.select(FACT.names).unique().sort(FACT.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    return table.cast(FACT).combine_chunks().to_batches()
