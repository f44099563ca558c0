"""How long rows stay: single, then compacted into panes, then gone."""

import numpy as np
import polars as pl

from schemas.playbook_levels import MEMBERS
from transforms.arrays.dtypes import Bools
from transforms.compiler.context_plan import ContextPlan, SignalPlan
from transforms.compiler.steps import AFTER, THEN, WITHOUT
from transforms.context.features.windows import empty_rows
from transforms.context.grid import EVER
from transforms.context.groups import membership
from transforms.context.groups.notices import TURNED
from transforms.context.state import partial_aggregates
from transforms.context.state.shard_state import Key, PaneKey, ShardState, StepKey, Tables, ValuesKey

_TOLD = ("notices", "groups")
"""Kinds of tables of what others are told, or told: but for where a subject stays, not what is known of it."""


def compact(plan: ContextPlan, memory: ShardState) -> None:
    """Merge the rows that no exact window needs, as of the closed tick, into their panes."""
    if memory.closed is None:
        return
    for name, signal in plan.signals.items():
        if not signal.panes:
            continue
        old = pl.col("time") < _boundary(plan, signal, memory.closed)
        rows = memory.rows.get(name, empty_rows(signal))
        due = rows.filter(old)
        if len(due):
            memory.rows[name] = rows.filter(~old)
            for pane in signal.panes:
                key = PaneKey(name, pane)
                memory.panes[key] = partial_aggregates.compact(signal, pane, memory.panes.get(key), due)
                for measure in partial_aggregates.distinct_measures(signal, pane):
                    of = ValuesKey(name, pane, measure.key)
                    memory.values[of] = partial_aggregates.compact_values(
                        signal, pane, measure.key, memory.values.get(of), due
                    )


def prune(plan: ContextPlan, memory: ShardState) -> None:
    """Drop what the closed tick is the last to need: rows outside all windows, hashes past their horizon."""
    assert memory.closed is not None
    for name, signal in plan.signals.items():
        if name == MEMBERS:
            continue
        starts = {pane: _start(signal, pane, memory.closed) for pane in (0, *signal.panes)}
        _keep(memory.rows, name, min(starts.values()))
        for pane in signal.panes:
            _keep(memory.panes, PaneKey(name, pane), starts[pane])
            for key in [key for key in memory.values if (key.signal, key.pane) == (name, pane)]:
                _keep(memory.values, key, starts[pane])
    for name, notice in plan.notices.items():
        if notice.key is None:
            _keep(memory.notices, name, memory.closed - plan.kept_for(name))
    _keep(memory.groups, TURNED, memory.closed - plan.move_bars + 1)
    if TURNED in memory.groups and memory.groups[TURNED].is_empty():
        del memory.groups[TURNED]
    memory.notices = {name: table for name, table in memory.notices.items() if name in plan.notices and table.height}
    _prune_steps(plan, memory, memory.closed)
    memory.seen = memory.seen.filter(pl.col("time") + plan.dedup_horizon >= memory.closed)


def _prune_steps(plan: ContextPlan, memory: ShardState, closed: int) -> None:
    """Drop rows of sequences that can start and end nothing more: a subject of whom nothing happens is not advanced."""
    for sequence in (moment.sequence for moment in plan.moments if moment.sequence):
        for part in (AFTER, THEN, WITHOUT):
            start = sequence.needed_from(part, closed, plan.allowed_lateness)
            if start is not None:
                _keep(memory.steps, StepKey(sequence.key, part), start)


def known(memory: ShardState) -> Bools:
    """Tell of each subject whether anything but ids, who is in it, and what others are told, is left of it."""
    found = np.zeros(memory.subjects.height, bool)
    going = memory.moments.filter(pl.col("since").is_not_null())
    named = [table for kind, tables in memory.named().items() for table in tables.values() if kind not in _TOLD]
    stays = [table for name, table in memory.groups.items() if name == membership.KEPT]
    for table in [*named, *stays, memory.members, going]:
        found[table["code"].to_numpy()] = True
    return found


def _boundary(plan: ContextPlan, signal: SignalPlan, closed: int) -> int:
    """Return the time before which rows are compacted: a border of all panes, and of no exact window any more."""
    coarsest, exact = signal.panes[-1], plan.grid.exact_limit
    if coarsest == EVER:
        exact = max((feature.reach or 0 for feature in signal.features if not feature.pane), default=0)
    border = max(coarsest, plan.grid.tick)
    return (closed - exact) // border * border


def _start(signal: SignalPlan, pane: int, closed: int) -> int:
    """Return the time from which on the windows of one pane need rows after the closed tick."""
    if pane == EVER:
        return 0
    reach = max((feature.reach or 0 for feature in signal.features if feature.pane == pane), default=0)
    return (closed - reach) // pane * pane if pane else closed - reach


def _keep(tables: Tables[Key], key: Key, start: int) -> None:
    if key in tables and len(old := tables[key]) and old["time"].to_numpy().min() < start:
        tables[key] = old.filter(pl.col("time") >= start)
