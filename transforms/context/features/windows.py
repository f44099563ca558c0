"""Windowed aggregates at (subject, tick) pairs, by range queries over timelines."""

from collections.abc import Collection, Iterator
from copy import copy
from dataclasses import replace

import numpy as np
import polars as pl

from schemas.playbook_levels import MEMBERS
from transforms.arrays import ranges
from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.plain_arrow import as_written
from transforms.compiler.consents import PROFILING
from transforms.compiler.context_plan import ContextPlan, SignalPlan
from transforms.compiler.definitions import Feature
from transforms.context.conditions.fading import Faded
from transforms.context.features.aggregates import Ranges, aggregate, null_where
from transforms.context.features.timeline import EvaluationPoints, Shift, Timeline, shifts
from transforms.context.grid import NEVER
from transforms.context.groups.epochs import Epochs, consents_of
from transforms.context.groups.member_values import MemberValues
from transforms.context.state import partial_aggregates
from transforms.context.state.shard_state import PaneKey, ShardState, ValuesKey

MANY = 0.25
"""The share of subjects from which on it is no cheaper to look at them alone."""


class Features:
    """The features of a level over the rows that are in memory when this is made.

    Attributes:
        faded: Derived values that fade, by name, as far as they have been run.
        sums_too_large: How many sums were asked for that are NULL because 64 bits do not hold them.
    """

    def __init__(self, plan: ContextPlan, memory: ShardState, leaves: pl.DataFrame) -> None:
        """Keep hold of the rows; the memory may drop them afterwards.

        Args:
            plan: The level's plan.
            memory: Of the shard.
            leaves: Which members leave groups in the span: code, member, tick.
        """
        self._plan, self._epochs = plan, Epochs(plan.grid, leaves)
        consents = _consents(plan, memory)
        self._consenting = self._epochs if consents is None else Epochs(plan.grid, leaves, consents)
        self._members = MemberValues(plan, memory, leaves) if MEMBERS in plan.signals else None
        self._memory = replace(memory, rows=copy(memory.rows), panes=copy(memory.panes), values=copy(memory.values))
        self._whose: Bools | None = None
        self.faded: dict[str, Faded] = {}
        self.sums_too_large = 0
        self._timelines: dict[tuple[str, int, Epochs], Timeline] = {}
        self._values: dict[tuple[str, int, str, Epochs], Timeline] = {}

    def of(self, codes: Ints) -> "Features":
        """Return the features of some subjects only, which cost less; `codes` are unique."""
        if len(codes) > MANY * self._memory.subjects.height:
            return self
        fewer = copy(self)
        fewer._whose = np.zeros(self._memory.subjects.height, bool)
        fewer._whose[codes] = True
        fewer._timelines, fewer._values = {}, {}
        return fewer

    def changes(self, unread: bool) -> Iterator[tuple[Ints, Ints, bool]]:
        """Yield codes and ticks at which rows may change features, and whether conditions read these.

        Args:
            unread: Whether to look at features, too, that no condition reads.
        """
        done = set()
        needed = self._plan.needed
        if self._members is not None:
            yield *self._members.changes(), True
            yield *self._consenting.edges(), True
        from_signals = [feature for feature in self._plan.features if feature.signal != MEMBERS]
        for feature in sorted(from_signals, key=lambda feature: feature.name not in needed):
            if not (unread or feature.name in needed):
                break
            for shift in shifts(feature):
                if (feature.signal, feature.pane, shift) not in done:
                    done.add((feature.signal, feature.pane, shift))
                    timeline = self._timeline(feature, self._epochs)
                    ticks = shift.ticks(self._plan.grid, timeline)
                    yield *self._epochs.within(timeline.codes, ticks), feature.name in needed

    def stays(self) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Yield code, first tick and end (exclusive) of where subjects have a row inside the longest window over it."""
        if self._members is not None:
            yield self._members.stays()
        from_signals = (feature for feature in self._plan.features if feature.signal != MEMBERS)
        longest = {(f.signal, f.pane): f for f in sorted(from_signals, key=lambda feature: feature.reach or 0)}
        for feature in longest.values():
            timeline = self._timeline(feature, self._epochs)
            start = self._plan.grid.after(timeline.times)
            shift = None if feature.reach is None else Shift(feature.reach, feature.pane)
            end = np.full(len(start), NEVER) if shift is None else shift.ticks(self._plan.grid, timeline)
            first = np.diff(timeline.codes, prepend=-1) != 0
            first[1:] |= start[1:] > end[:-1]  # both grow with time
            last = np.append(first[1:], True)[: len(first)]
            yield self._epochs.clip(timeline.codes[first], start[first], end[last])

    def at(self, points: EvaluationPoints, names: Collection[str]) -> pl.DataFrame:
        """Return the named features at each pair, a column each, in the order of the plan."""
        laid = {epochs: epochs.of(points) for epochs in (self._epochs, self._consenting)}
        found: dict[tuple[Timeline, int | None, int], Ints] = {}

        def first_since(timeline: Timeline, epochs: Epochs, ago: int | None, pane: int) -> Ints:
            """Look up once where one window ends and another starts."""
            if (timeline, ago, pane) not in found:
                found[timeline, ago, pane] = timeline.first_since(laid[epochs], ago, pane)
            return found[timeline, ago, pane]

        columns = {}
        for feature in (feature for feature in self._plan.features if feature.name in names):
            if self._members is not None and feature.signal == MEMBERS:
                columns[feature.name] = self._complete(feature, self._members.at(feature, points), points)
                continue
            epochs = self._consenting if feature.consent else self._epochs
            lay = self._distinct if feature.aggregate == "distinct" else self._timeline
            timeline = lay(feature, epochs)
            hi = first_since(timeline, epochs, feature.offset, feature.head_pane)
            lo = first_since(timeline, epochs, feature.reach, feature.pane)
            columns[feature.name] = self._value(feature, timeline, points, lo, hi)
        inferred = [feature.name for feature in self._plan.features if feature.consent and feature.name in names]
        if inferred and self._members is None:
            missing = ~self.consents(points)
            columns |= {name: null_where(columns[name], missing) for name in inferred}
        return pl.DataFrame(columns) if columns else pl.DataFrame(height=len(points))

    def consents(self, points: EvaluationPoints) -> Bools:
        """Tell whether each subscriber consents at its tick to what is inferred; asked only where that is read."""
        return self.at(points, {PROFILING})[PROFILING].to_numpy()

    def _value(self, feature: Feature, timeline: Timeline, points: EvaluationPoints, lo: Ints, hi: Ints) -> pl.Series:
        """Return the aggregate, NULL where it is not complete."""
        if feature.aggregate == "distinct":
            rows, lo, hi = ranges.within(lo, hi, len(timeline.rows))
            value = pl.Series(ranges.distincts(_following(timeline.rows[rows]), lo, hi))
        else:
            value = aggregate(feature, Ranges(timeline.rows, points.ticks, lo, hi))
        return self._complete(feature, value, points)

    def _complete(self, feature: Feature, value: pl.Series, points: EvaluationPoints) -> pl.Series:
        """Return the value, NULL where a window behind it looks back past the start of complete input."""
        self.sums_too_large += value.null_count() if feature.aggregate == "sum" else 0
        ready = ready_at(self._memory, feature)
        return value if ready is None else null_where(value, points.ticks < ready)

    def _timeline(self, feature: Feature, epochs: Epochs) -> Timeline:
        name, pane = feature.signal, feature.pane
        if (name, pane, epochs) not in self._timelines:
            signal = self._plan.signals[name]
            rows = partial_aggregates.of_rows(signal, pane, self._rows(signal, epochs).lazy())
            panes = self._mine(self._memory.panes.get(PaneKey(name, pane)))
            if panes is not None:
                panes = partial_aggregates.of_everybody(epochs.lay(panes)) if signal.by_member else panes
                both = [partial_aggregates.of_panes(signal, pane, panes.lazy()), rows]  # sums of panes are wide
                rows = pl.concat(both, how="vertical_relaxed").sort("code", "time", maintain_order=True)
            self._timelines[name, pane, epochs] = Timeline(as_written(rows))
        return self._timelines[name, pane, epochs]

    def _distinct(self, feature: Feature, epochs: Epochs) -> Timeline:
        """Return the timeline of a measure's values."""
        where = (feature.signal, feature.pane, feature.measure.key, epochs)
        if where not in self._values:
            columns = ("code", "time", "value")
            rows = self._rows(self._plan.signals[feature.signal], epochs).lazy()
            rows = rows.select("code", "time", value=feature.measure.key).drop_nulls("value")
            old = self._mine(self._memory.values.get(ValuesKey(feature.signal, feature.pane, feature.measure.key)))
            if old is not None:
                both = [epochs.lay(old).lazy().select(columns), rows]
                rows = pl.concat(both).sort("code", "time", maintain_order=True)
            self._values[where] = Timeline(as_written(rows))
        return self._values[where]

    def _rows(self, signal: SignalPlan, epochs: Epochs) -> pl.DataFrame:
        rows = self._mine(self._memory.rows.get(signal.signal))
        return epochs.lay(empty_rows(signal) if rows is None else rows)

    def _mine(self, table: pl.DataFrame | None) -> pl.DataFrame | None:
        """Return the rows of the subjects that this is about."""
        if table is None or self._whose is None:
            return table
        return table[np.flatnonzero(self._whose[table["code"].to_numpy()])]


def _consents(plan: ContextPlan, memory: ShardState) -> pl.DataFrame | None:
    """Return who of a group's members consents since when, see `Epochs`; None where no feature asks."""
    members = plan.signals.get(MEMBERS)
    if members is None or not any(measure.key == PROFILING for measure in members.measures):
        return None
    rows = memory.rows.get(MEMBERS, empty_rows(members))
    return consents_of(plan.grid, rows.rename({PROFILING: "consents"}), memory.closed or 0)


def empty_rows(signal: SignalPlan) -> pl.DataFrame:
    """Return the rows of a signal that never came."""
    whose, ties = dict.fromkeys(signal.whose, pl.Int64), dict.fromkeys(signal.ties, pl.String)
    measures = {measure.key: measure.dtype for measure in signal.measures}
    return pl.DataFrame(schema={"code": pl.Int64, "time": pl.Int64, **whose, **ties, **measures})


def ready_at(memory: ShardState, feature: Feature) -> int | None:
    """Return the first time at which all windows behind the feature are complete; None where they always are."""
    ends = []
    for one in (one for one in feature.behind if one.reach is not None):
        starts = [at for at in (memory.complete_from, memory.since.get(one.key)) if at is not None]
        ends += [one.complete_at(max(starts))] if starts else []
    return max(ends, default=None)


def _following(rows: pl.DataFrame) -> Ints:
    """Return the position of the next row with the same code and value, or a number past all rows."""
    values = rows["value"].to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    ranked = rows["code"].to_numpy() * max(len(values.dictionary), 1) + values.indices.to_numpy()
    order = np.argsort(ranked, kind="stable")
    following = np.full(len(rows), len(rows) + 1, np.int64)
    same = ranked[order[:-1]] == ranked[order[1:]]
    following[order[:-1][same]] = order[1:][same]
    return following
