"""What a new version of a playbook makes of a shard's state: kept where a definition is the same, else begun anew."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from transforms.compiler.context_plan import ContextPlan, SignalPlan
from transforms.compiler.definitions import Moment
from transforms.compiler.keys import FORWARDED, recipients_of
from transforms.context.conditions.segments import MembershipChanges
from transforms.context.features.windows import empty_rows
from transforms.context.grid import Span
from transforms.context.state import partial_aggregates
from transforms.context.state.shard_state import PaneKey, ShardState, ValuesKey

DEFINITION_CHANGED = "definition_changed"
"""The reason of what happens at the first tick of a version because of it."""


@dataclass(frozen=True)
class PlanMigration:
    """A plan that takes over from one that was different.

    Attributes:
        tick: The first tick of the new plan.
        conditions: Names of its segments and moments that are new or changed.
        announced: Names of its segments that contact roots are told of, and were not before.
        addressing: Kinds of groups that are told of members as recipients, and were not, or not of all, before.
    """

    tick: int
    conditions: frozenset[str]
    announced: frozenset[str]
    addressing: frozenset[str] = frozenset()

    def silent(self, moment: Moment) -> int | None:
        """Return the tick at which a moment does not fire although it is true, None for none."""
        return self.tick if moment.name in self.conditions and not moment.on_start else None

    def marked(self, name: str, changes: MembershipChanges) -> MembershipChanges:
        """Return the changes of a segment; at the first tick a new one has no edge, and the rest that reason."""
        if name not in self.conditions:
            return changes
        edge = (pl.col("tick") == self.tick) & (pl.col("event") == "refreshed")
        reason = pl.coalesce(reason_of(name, self), "reason")
        return replace(changes, events=changes.events.filter(~edge).with_columns(reason=reason))


def reason_of(name: str, migration: PlanMigration | None) -> pl.Expr:
    """Return the reason for what happens to a condition at column `tick`, NULL unless the version is."""
    if migration is None or name not in migration.conditions:
        return pl.lit(None, pl.String)
    return pl.when(pl.col("tick") == migration.tick).then(pl.lit(DEFINITION_CHANGED))


def adopt(plan: ContextPlan, memory: ShardState, span: Span) -> PlanMigration | None:
    """Bring the state to a plan, before the first call under it takes rows in.

    Features of the same definition keep their rows. Others look at nothing before the plan's `effective_from`.
    Members stay members until `left`; moments remember when they last fired, and not since when they are true.

    Args:
        plan: The plan of the call.
        memory: Changed in place.
        span: The ticks of the call.

    Returns:
        What is different at the first tick; None if the state is of the same definitions, or new.
    """
    before, memory.definitions = memory.definitions, dict(plan.keys)
    if memory.closed is None or before == memory.definitions:
        return None
    old = {*before.values()}
    since = max(memory.closed, plan.effective_from or 0)
    histories = (*plan.features, *plan.members)
    memory.since = {f.key: memory.since.get(f.key, since) for f in histories if _limited(f.key, old, memory.since)}
    _adopt_tables(plan, memory)
    names = [*(segment.name for segment in plan.segments), *(moment.name for moment in plan.moments)]
    conditions = frozenset(name for name in names if before.get(name) != plan.keys[name])
    memory.moments = _moments(plan, memory.moments, conditions)
    announced = frozenset(name for name in plan.announced_segments if f"{FORWARDED}{name}" not in before)
    told = {forward.kind: recipients_of(forward.kind) for forward in plan.forwards}
    addressing = frozenset(kind for kind, key in told.items() if plan.keys.get(key) not in (None, before.get(key)))
    return PlanMigration(span.first, conditions, announced, addressing)


def left(plan: ContextPlan, memory: ShardState, migration: PlanMigration | None) -> pl.DataFrame:
    """Return the exits from segments that are no more: code, tick, name, event, reason."""
    gone = ~pl.col("segment").is_in([segment.name for segment in plan.segments])
    members = memory.members.filter(gone) if migration else memory.members.clear()
    return members.select(
        "code",
        tick=pl.lit(migration.tick if migration else None, pl.Int64),
        name="segment",
        event=pl.lit("exited"),
        reason=pl.lit(DEFINITION_CHANGED),
    )


def by_segment(events: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return events with column `name`, those of each segment apart."""
    return {str(key[0]): mine for key, mine in events.partition_by("name", as_dict=True).items()}


def _limited(key: str, old: set[str], since: Mapping[str, int]) -> bool:
    return key not in old or key in since


def _moments(plan: ContextPlan, table: pl.DataFrame, conditions: frozenset[str]) -> pl.DataFrame:
    """Return what moments remember, without since when a new condition is true."""
    mine = table.filter(pl.col("moment").is_in([moment.name for moment in plan.moments]))
    kept = mine.with_columns(pl.when(~pl.col("moment").is_in(conditions)).then("since").alias("since"))
    return kept.filter(pl.any_horizontal(pl.col("since", "fired").is_not_null()))


def _adopt_tables(plan: ContextPlan, memory: ShardState) -> None:
    """Give each table the columns of the plan, empty where they are new; drop those that nothing reads."""
    rows, panes, values = memory.rows, memory.panes, memory.values
    memory.rows, memory.panes, memory.values = {}, {}, {}
    for name, signal in plan.signals.items():
        if signal.measures and name in rows:
            memory.rows[name] = _of_signal(signal, rows[name])
        for pane in signal.panes:
            key = PaneKey(name, pane)
            if key in panes:
                shape = partial_aggregates.compact(signal, pane, None, empty_rows(signal))
                memory.panes[key] = _shaped(panes[key], shape)
            measures = partial_aggregates.distinct_measures(signal, pane)
            wanted = [ValuesKey(name, pane, measure.key) for measure in measures]
            memory.values |= {of: values[of] for of in wanted if of in values}


def _of_signal(signal: SignalPlan, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that still count, with the measures of a signal; nothing that looks at ties saw the old ones."""
    shaped = _shaped(rows, empty_rows(signal))
    if signal.ordered and "id" not in rows.columns:
        shaped = shaped.with_columns(source=pl.lit(""), id=pl.lit("")).select(shaped.columns)
    if signal.every_row:
        return shaped
    return shaped.filter(pl.any_horizontal(pl.col(m.key).is_not_null() for m in signal.measures))


def _shaped(table: pl.DataFrame, shape: pl.DataFrame) -> pl.DataFrame:
    """Return the table with the columns of `shape`."""
    new = {name: pl.lit(None, dtype) for name, dtype in shape.schema.items() if name not in table.columns}
    return table.with_columns(**new).select(shape.columns)
