"""What subscribers forward to groups: who is in them and may be addressed, signals as of event time, contexts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.contracts import TRACE
from schemas.playbook_levels import GROUPS, MEMBERS
from transforms.arrays.dtypes import Ints
from transforms.arrays.plain_arrow import plain
from transforms.compiler.context_plan import ContextPlan, Forward
from transforms.compiler.features import FACTS, MEMBER, MEMBERSHIP, PEOPLE, RECIPIENT_FACTS, SUBSCRIBER
from transforms.compiler.keys import FORWARDED
from transforms.context.conditions import frames
from transforms.context.conditions.segments import Changes
from transforms.context.features.timeline import EvaluationPoints, keys_in, keys_of, points_of
from transforms.context.features.windows import Features
from transforms.context.grid import CLOSED_AT, Span
from transforms.context.groups import notices, recipient_facts, roots
from transforms.context.groups.membership import Identity, Stays
from transforms.context.groups.people import member_of
from transforms.context.ingest.ingest import Ingested, measured
from transforms.context.ingest.traces import TRACED
from transforms.context.state.plan_migration import PlanMigration
from transforms.context.state.shard_state import ShardState


@dataclass
class Forwarded:
    """What goes to groups.

    Attributes:
        batches: Signals about them.
        kept: Tables of `memory.groups`: the last that was forwarded of each member, by kind of group.
    """

    batches: list[pa.RecordBatch] = field(default_factory=list)
    kept: dict[str, pl.DataFrame] = field(default_factory=dict)


def joins(plan: ContextPlan, identity: Identity) -> Ints:
    """Return the keys of subjects and ticks at which groups see a new member, and so ask for its context."""
    kinds = [forward.kind for forward in plan.forwards if forward.members]
    begun = [next(identity.edges(kind)) for kind in kinds]
    return np.concatenate([np.empty(0, np.int64), *(keys_of(plan.grid, c, plan.grid.after(t)) for c, t in begun)])


def signals_to_groups(
    plan: ContextPlan, memory: ShardState, identity: Identity, ingested: Ingested
) -> Iterator[pa.RecordBatch]:
    """Yield the signals of members that their groups' features read, late ones apart; none of who has left since."""
    subscribers = memory.subjects.select(pl.col("subject").alias(SUBSCRIBER), member_of(memory.subjects["subject"]))
    for forward in plan.forwards:
        stays = identity.stays[forward.kind]
        there = np.append(stays.gone_at(plan.grid) > identity.since, False)
        for name, columns in forward.signals.items():
            rows = ingested.applied.get(name)
            if rows is None:
                continue
            told = [*columns, *({TRACE.name} & {*rows.columns})]
            found = stays.at(rows["code"].to_numpy(), rows["time"].to_numpy())
            for late in (False, True):
                at = np.flatnonzero(there[found] & (rows["late"].to_numpy() == late))
                mine = rows[at]
                whose = subscribers.select(MEMBER, *({SUBSCRIBER} & {*columns}))[mine["code"]]
                part = pl.concat([mine, whose], how="horizontal").select(MEMBER, "time", *told)
                groups = pa.DictionaryArray.from_arrays(stays.groups.indices.take(found[at]), stays.groups.dictionary)
                yield from _batches(part, name, forward.kind, identity.since if late else None, groups)


def members_to_groups(
    plan: ContextPlan,
    memory: ShardState,
    features: Features,
    identity: Identity,
    changes: Changes,
    points: EvaluationPoints,
    traces: Callable[[pl.DataFrame], pl.DataFrame],
) -> Forwarded:
    """Forward members' contexts where what their groups read of them changed, and where they joined.

    Args:
        plan: The subscribers' plan.
        memory: What groups were told last.
        features: Of the call.
        identity: Who is in which group.
        changes: What happened to the subscribers' segments.
        points: Where their contexts may have changed, joins included.
        traces: Of pairs of code and tick, as `traces_at` gives them.
    """
    turns = [keys_in(plan.grid, change.events) for change in changes.values()]
    every = points_of(plan.grid, np.concatenate([points.keys(plan.grid), *turns]))
    forwarded = Forwarded()
    for forward in (forward for forward in plan.forwards if forward.members):
        known = np.zeros(memory.subjects.height, bool)
        known[identity.stays[forward.kind].table["code"].to_numpy()] = True
        mine = every.at(np.flatnonzero(known[every.codes]))
        read = frozenset().union(*(measure.reads for measure in forward.members))
        values = frames.part_at(plan, features, changes, mine, read)
        now = _values_now(identity.stays[forward.kind], forward, mine, values)
        cell = f"{FORWARDED}{forward.kind}"
        rows, forwarded.kept[cell] = _news(now, memory.groups.get(cell))
        told = _traced(rows, traces(rows))
        forwarded.batches += _about(told, forward, identity.stays[forward.kind], memory.subjects["subject"])
    return forwarded


def _values_now(stays: Stays, forward: Forward, points: EvaluationPoints, values: pl.DataFrame) -> pl.DataFrame:
    """Return what a group may know of a member at each point: a column a measure, code, tick, number of the stay."""
    stay = stays.at(points.codes, points.ticks - 1)
    if any("role" in measure.reads for measure in forward.members):
        roles = pl.Series([None], dtype=pl.String).append(stays.table["role"])
        values = values.with_columns(role=roles.gather(stay + 1))
    columns = values.with_columns(measured(measure) for measure in forward.members)
    return columns.select(measure.key for measure in forward.members).with_columns(
        code=pl.Series(points.codes), tick=pl.Series(points.ticks), stay=pl.Series(stay)
    )


def _news(now: pl.DataFrame, before: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of `now` that differ from those before them, and the last of each member: code and measures.

    Args:
        now: As `_values_now` gives it.
        before: The last that was forwarded of each member, if anything was.
    """
    keys = [name for name in now.columns if name not in ("code", "tick", "stay")]
    if before is None or before.columns != ["code", *keys]:  # another version forwarded something else
        before = now.clear().select("code", *keys)
    last = before.with_columns(tick=pl.lit(-1, pl.Int64), stay=pl.lit(-1, pl.Int64)).select(now.columns)
    both = pl.concat([last, now]).sort("code", "tick") if last.height else now
    follows = pl.col("code") == pl.col("code").shift()
    alike = [pl.col(key).eq_missing(pl.col(key).shift()) for key in (*keys, "stay")]
    new = both.filter(~pl.all_horizontal(follows, *alike).fill_null(False) & (pl.col("stay") >= 0))
    return new, both.filter(~follows.shift(-1).fill_null(False)).select("code", *keys)


def _traced(rows: pl.DataFrame, traces: pl.DataFrame) -> pl.DataFrame:
    """Add which signal's trace rows belong to, if any belongs to one."""
    return rows if traces[TRACE.name].null_count() == rows.height else rows.hstack(traces)


def _about(new: pl.DataFrame, forward: Forward, stays: Stays, subjects: pl.Series) -> Iterator[pa.RecordBatch]:
    rows = new.select(
        pl.Series("subject", stays.table["group"].gather(new["stay"])),
        member_of(subjects.gather(new["code"])),
        (pl.col("tick") - 1).alias("time"),
        *(measure.key for measure in forward.members),
        *(name for name in (TRACED, TRACE.name) if name in new.columns),
    )
    yield from _batches(rows, MEMBERS, forward.kind)


def people_to_groups(
    plan: ContextPlan, memory: ShardState, identity: Identity, moves: pl.DataFrame
) -> Iterator[pa.RecordBatch]:
    """Yield who joined and left groups, and what they know of a member as a recipient, whenever that changes."""
    edges = [edge for kind in GROUPS for edge in identity.edges(kind)]
    turns = (
        pl.concat([pl.DataFrame({"code": codes, "time": times}) for codes, times in edges])
        .unique()
        .sort("code", "time")
    )
    codes, times = turns["code"].to_numpy(), turns["time"].to_numpy()
    before, now = (roots.groups_at(identity.stays, codes, at) for at in (times - 1, times))
    subscribers = memory.subjects["subject"][codes]
    members = now.with_columns(
        turns["time"],
        member_of(subscribers),
        subscriber=subscribers,
        moved_until=roots.barred_until(moves, codes, times),
    )
    columns = ("subject", "time", *PEOPLE)
    for forward in plan.forwards:
        there = members.with_columns(subject=now[forward.kind], joined=True, role=now[f"{forward.kind}_role"])
        gone = members.with_columns(subject=before[forward.kind], joined=False, role=pl.lit(None, pl.String))
        gone = gone.filter(before[forward.kind].ne_missing(now[forward.kind]))
        people = pl.concat([gone.select(columns), there.select(columns)]).drop_nulls("subject")
        yield from _batches(people, MEMBERSHIP, forward.kind)


def facts_to_groups(
    plan: ContextPlan,
    memory: ShardState,
    identity: Identity,
    ingested: Ingested,
    span: Span,
    migration: PlanMigration | None,
) -> Iterator[pa.RecordBatch]:
    """Yield what groups know of members as recipients, at each tick at which that changes or they see a new member.

    Args:
        plan: The subscribers' plan.
        memory: What subscribers told in earlier calls.
        identity: Who is in which group.
        ingested: What became of the signals.
        span: The ticks of the call.
        migration: What a new plan changed: whom it addresses anew is told of everybody.
    """
    for forward in (forward for forward in plan.forwards if forward.facts):
        codes, times = next(identity.edges(forward.kind))
        anew = migration is not None and forward.kind in migration.addressing
        if not (anew or len(codes) or forward.facts & ingested.noticed.keys()):
            continue
        rows = {name: notices.every_row(plan, name, memory, ingested, span) for name in sorted(forward.facts)}
        every = {name: recipient_facts.about_contacts(name, mine) for name, mine in rows.items()}
        stays = identity.stays[forward.kind]
        turns = [pl.DataFrame({"code": codes, "tick": plan.grid.after(times)})]
        turns += [mine.filter(pl.col("tick") >= span.first).select("code", "tick") for mine in every.values()]
        if migration is not None and anew:
            turns.append(stays.table.select("code", tick=pl.lit(migration.tick, pl.Int64)))
        points = pl.concat(turns).unique().sort("code", "tick")
        stay = pl.Series(stays.at(points["code"].to_numpy(), points["tick"].to_numpy() - 1))
        facts = recipient_facts.facts_at(points.with_columns(stay=stay).filter(pl.col("stay") >= 0), every)
        known = facts.select(
            pl.Series("subject", stays.table["group"].gather(facts["stay"])),
            member_of(memory.subjects["subject"].gather(facts["code"])),
            (pl.col("tick") - 1).alias("time"),
            *FACTS[1:],
        )
        yield from _batches(known, RECIPIENT_FACTS, forward.kind)


def _batches(
    rows: pl.DataFrame, signal: str, kind: str, closed_at: int | None = None, subjects: pa.DictionaryArray | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows as a signal batch about groups, if there are any; `subjects` become their first column."""
    metadata = {b"signal": signal.encode(), b"subject_kind": kind.encode()}
    metadata |= {} if closed_at is None else {CLOSED_AT: str(closed_at).encode()}
    table = plain(rows) if subjects is None else plain(rows).add_column(0, "subject", subjects)
    yield from table.replace_schema_metadata(metadata).combine_chunks().to_batches()
