"""How long rows stay: single, then compacted into panes, then gone."""

from collections.abc import Callable

import numpy as np
import polars as pl

from transforms.context import parts
from transforms.context.definitions import ContextPlan, Feature, SignalPlan
from transforms.context.features import empty_rows
from transforms.context.memory import Memory
from transforms.context.ticks import EVER, Bools


def compact(plan: ContextPlan, memory: Memory) -> None:
    """Merge the rows that are older than the exact limit, as of the closed tick, into their panes."""
    if memory.closed is None:
        return
    for name, signal in plan.signals.items():
        old = pl.col("time") < _boundary(plan, signal, memory.closed)
        rows = memory.rows.get(name, empty_rows(signal))
        due = rows.filter(old)
        if signal.panes and len(due):
            memory.rows[name] = rows.filter(~old)
            for pane in signal.panes:
                key = f"{name} {pane}"
                memory.panes[key] = parts.compact(signal, pane, memory.panes.get(key), due)
                for measure in parts.distinct_measures(signal, pane):
                    cell = f"{key} {measure.key}"
                    memory.values[cell] = parts.compact_values(pane, measure.key, memory.values.get(cell), due)


def prune(plan: ContextPlan, memory: Memory) -> None:
    """Drop the rows and hashes that no tick after the closed one can see."""
    assert memory.closed is not None
    following = memory.closed + plan.grid.tick
    for name, signal in plan.signals.items():
        exact = [feature for feature in signal.features if not feature.pane]
        if name in memory.rows:
            start = following - max((feature.reach or 0 for feature in exact), default=0)
            start = min(start, _boundary(plan, signal, memory.closed)) if signal.panes else start
            _keep(memory.rows, name, lambda table, start=start: table["time"].to_numpy() >= start)
        for pane in signal.panes:
            if pane != EVER:
                reach = max(feature.reach or 0 for feature in signal.features if feature.pane == pane)
                for tables in (memory.panes, memory.values):
                    for key in [key for key in tables if f"{key} ".startswith(f"{name} {pane} ")]:
                        _keep(tables, key, lambda table, gone=following - pane - reach: table["time"].to_numpy() > gone)
    memory.seen = memory.seen.filter(pl.col("time") + plan.dedup_horizon >= memory.closed)


def known(memory: Memory) -> Bools:
    """Tell of each subject whether anything but ids is left of it."""
    found = np.zeros(memory.subjects.height, bool)
    going = memory.moments.filter(pl.col("since").is_not_null())
    tables = [*memory.rows.values(), *memory.panes.values(), *memory.values.values(), memory.members, going]
    for table in tables:
        found[table["code"].to_numpy()] = True
    return found


def _boundary(plan: ContextPlan, signal: SignalPlan, closed: int) -> int:
    """Return the time before which rows are compacted: a border of all panes of the signal."""
    coarsest = max(signal.panes[-1:], default=EVER)
    return (closed - plan.grid.exact_limit) // max(coarsest, plan.grid.tick) * max(coarsest, plan.grid.tick)


def _keep(tables: dict[str, pl.DataFrame], key: str, wanted: Callable[[pl.DataFrame], Bools]) -> None:
    keep = wanted(tables[key])
    if not keep.all():
        tables[key] = tables[key].filter(keep)
