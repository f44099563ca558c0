"""Windowed aggregates at (subject, tick) pairs, by range queries over timelines."""

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from schemas.playbook import MEMBERS
from transforms.context import parts, ranges
from transforms.context.aggregates import Ranges, aggregate, null_where
from transforms.context.definitions import ContextPlan, Feature, SignalPlan
from transforms.context.epochs import Epochs
from transforms.context.fading import Faded
from transforms.context.member_values import MemberValues
from transforms.context.memory import Memory
from transforms.context.segments import NEVER
from transforms.context.ticks import Ints
from transforms.context.timeline import Points, Shift, Timeline, shifts


class Features:
    """The features of a level over the rows that are in memory when this is made.

    Attributes:
        faded: Derived values that fade, by name, as far as they have been run.
    """

    def __init__(self, plan: ContextPlan, memory: Memory, leaves: pl.DataFrame) -> None:
        """Keep hold of the rows; the memory may drop them afterwards.

        Args:
            plan: The level's plan.
            memory: Of the shard.
            leaves: Which members leave groups in the span: code, member, tick.
        """
        self._plan, self._epochs = plan, Epochs(plan.grid, leaves)
        self._members = MemberValues(plan, memory, leaves) if MEMBERS in plan.signals else None
        self._memory = replace(memory, rows={**memory.rows}, panes={**memory.panes}, values={**memory.values})
        self.faded: dict[str, Faded] = {}
        self._timelines: dict[tuple[str, int], Timeline] = {}
        self._values: dict[tuple[str, int, str], Timeline] = {}

    def changes(self) -> Iterator[tuple[Ints, Ints, bool]]:
        """Yield codes and ticks at which rows may change features, and whether conditions read these."""
        done = set()
        needed = self._plan.needed
        if self._members is not None:
            yield *self._members.changes(), True
            yield *self._epochs.edges(), True
        from_signals = [feature for feature in self._plan.features if feature.signal != MEMBERS]
        for feature in sorted(from_signals, key=lambda feature: feature.name not in needed):
            for shift in shifts(feature):
                if (feature.signal, feature.pane, shift) not in done:
                    done.add((feature.signal, feature.pane, shift))
                    timeline = self._timeline(feature)
                    ticks = shift.ticks(self._plan.grid, timeline)
                    yield *self._epochs.within(timeline.codes, ticks), feature.name in needed

    def stays(self) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Yield code, first tick and end (exclusive) of where subjects have a row inside the longest window over it."""
        if self._members is not None:
            yield self._members.stays()
        from_signals = (feature for feature in self._plan.features if feature.signal != MEMBERS)
        longest = {(f.signal, f.pane): f for f in sorted(from_signals, key=lambda feature: feature.reach or 0)}
        for feature in longest.values():
            timeline = self._timeline(feature)
            start = self._plan.grid.after(timeline.times)
            shift = None if feature.reach is None else Shift(feature.reach, feature.pane)
            end = np.full(len(start), NEVER) if shift is None else shift.ticks(self._plan.grid, timeline)
            first = np.diff(timeline.codes, prepend=-1) != 0
            first[1:] |= start[1:] > end[:-1]  # both grow with time
            last = np.append(first[1:], True)[: len(first)]
            yield self._epochs.clip(timeline.codes[first], start[first], end[last])

    def at(self, points: Points, names: Collection[str]) -> pl.DataFrame:
        """Return the named features at each pair, a column each, in the order of the plan."""
        laid = self._epochs.of(points)
        found: dict[tuple[Timeline, int | None, int], Ints] = {}

        def first_since(timeline: Timeline, ago: int | None, pane: int) -> Ints:
            """Look up once where one window ends and another starts."""
            if (timeline, ago, pane) not in found:
                found[timeline, ago, pane] = timeline.first_since(laid, ago, pane)
            return found[timeline, ago, pane]

        columns = {}
        for feature in (feature for feature in self._plan.features if feature.name in names):
            if self._members is not None and feature.signal == MEMBERS:
                columns[feature.name] = self._members.at(feature, points)
                continue
            timeline = self._distinct(feature) if feature.aggregate == "distinct" else self._timeline(feature)
            hi = first_since(timeline, feature.offset, feature.head_pane)
            lo = first_since(timeline, feature.reach, feature.pane)
            columns[feature.name] = self._value(feature, timeline, points, lo, hi)
        return pl.DataFrame(columns) if columns else pl.DataFrame(height=len(points))

    def _value(self, feature: Feature, timeline: Timeline, points: Points, lo: Ints, hi: Ints) -> pl.Series:
        """Return the aggregate, NULL where its window looks back past the start of complete input."""
        if feature.aggregate == "distinct":
            rows, lo, hi = ranges.within(lo, hi, len(timeline.rows))
            found = ranges.distincts(_following(timeline.rows[rows]), lo, hi)
            value = pl.Series(np.minimum(found, parts.DISTINCT_BOUND))
        else:
            value = aggregate(feature, Ranges(timeline.rows, points.ticks, lo, hi))
        ready = ready_at(self._memory, feature)
        return value if ready is None else null_where(value, points.ticks < ready)

    def _timeline(self, feature: Feature) -> Timeline:
        name, pane = feature.signal, feature.pane
        if (name, pane) not in self._timelines:
            signal = self._plan.signals[name]
            rows = parts.of_rows(signal, pane, self._rows(signal))
            panes = self._memory.panes.get(f"{name} {pane}")
            if panes is not None:
                panes = parts.of_everybody(self._epochs.lay(panes)) if signal.by_member else panes
                rows = pl.concat([parts.of_panes(signal, pane, panes), rows]).sort("code", "time", maintain_order=True)
            self._timelines[name, pane] = Timeline(rows)
        return self._timelines[name, pane]

    def _distinct(self, feature: Feature) -> Timeline:
        """Return the timeline of a measure's values."""
        where = (feature.signal, feature.pane, feature.measure.key)
        if where not in self._values:
            rows = self._rows(self._plan.signals[feature.signal]).select("code", "time", value=feature.measure.key)
            old = self._memory.values.get(f"{feature.signal} {feature.pane} {feature.measure.key}")
            rows = rows.drop_nulls("value")
            if old is not None:
                old = self._epochs.lay(old).select(rows.columns)
                rows = pl.concat([old, rows]).sort("code", "time", maintain_order=True)
            self._values[where] = Timeline(rows)
        return self._values[where]

    def _rows(self, signal: SignalPlan) -> pl.DataFrame:
        return self._epochs.lay(self._memory.rows.get(signal.signal, empty_rows(signal)))


def empty_rows(signal: SignalPlan) -> pl.DataFrame:
    """Return the rows of a signal that never came."""
    whose, ties = dict.fromkeys(signal.whose, pl.Int64), dict.fromkeys(signal.ties, pl.String)
    measures = {measure.key: measure.dtype for measure in signal.measures}
    return pl.DataFrame(schema={"code": pl.Int64, "time": pl.Int64, **whose, **ties, **measures})


def ready_at(memory: Memory, feature: Feature) -> int | None:
    """Return the first time at which the feature's window is complete; None where it always is."""
    starts = [at for at in (memory.complete_from, memory.since.get(feature.key)) if at is not None]
    return feature.complete_at(max(starts)) if starts and feature.reach is not None else None


def _following(rows: pl.DataFrame) -> Ints:
    """Return the position of the next row with the same code and value, or a number past all rows."""
    values = rows["value"].to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    ranked = rows["code"].to_numpy() * max(len(values.dictionary), 1) + values.indices.to_numpy()
    order = np.argsort(ranked, kind="stable")
    following = np.full(len(rows), len(rows) + 1, np.int64)
    same = ranked[order[:-1]] == ranked[order[1:]]
    following[order[:-1][same]] = order[1:][same]
    return following
