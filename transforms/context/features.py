"""Windowed aggregates at (subject, tick) pairs, by range queries over timelines."""

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from transforms.context import parts, ranges
from transforms.context.definitions import ContextPlan, Feature, SignalPlan
from transforms.context.memory import Memory
from transforms.context.ticks import Ints
from transforms.context.timeline import Points, Timeline, changes


class Features:
    """The features of a level over the rows that are in memory when this is made."""

    def __init__(self, plan: ContextPlan, memory: Memory) -> None:
        """Keep hold of the rows; the memory may drop them afterwards."""
        self._plan = plan
        self._memory = replace(memory, rows={**memory.rows}, panes={**memory.panes}, values={**memory.values})
        self._timelines: dict[tuple[str, int], Timeline] = {}
        self._values: dict[tuple[str, int, str], tuple[Timeline, Ints]] = {}

    def changes(self, names: Collection[str]) -> Iterator[tuple[Ints, Ints]]:
        """Yield codes and ticks at which rows may change one of the named features."""
        done = set()
        for feature in self._plan.features:
            change = (feature.signal, feature.pane, feature.head_pane, feature.window, feature.offset, feature.thresholds)
            if feature.name in names and change not in done:
                done.add(change)
                timeline = self._timeline(feature)
                for ticks in changes(self._plan.grid, feature, timeline):
                    yield timeline.codes, ticks

    def at(self, points: Points, names: Collection[str]) -> pl.DataFrame:
        """Return the named features at each pair, a column each, in the order of the plan."""
        windows: dict[tuple[object, ...], tuple[Ints, Ints]] = {}
        columns = {}
        for feature in self._plan.features:
            if feature.name in names:
                distinct = feature.aggregate == "distinct"
                timeline = self._distinct(feature)[0] if distinct else self._timeline(feature)
                window = (id(timeline), feature.window, feature.offset, feature.pane, feature.head_pane)
                if window not in windows:
                    windows[window] = timeline.window(self._plan.grid, feature, points)
                columns[feature.name] = self._complete(feature, points, self._aggregate(feature, timeline, points, *windows[window]))
        return pl.DataFrame(columns) if columns else pl.DataFrame(height=len(points))

    def _complete(self, feature: Feature, points: Points, column: pl.Series) -> pl.Series:
        """Make the feature NULL where its window looks back past the start of complete input."""
        ready = ready_at(self._memory, feature)
        if ready is None:
            return column
        return column.to_frame("c").select(pl.when(pl.lit(pl.Series(points.ticks >= ready))).then("c")).to_series()

    def _aggregate(self, feature: Feature, timeline: Timeline, points: Points, lo: Ints, hi: Ints) -> pl.Series:
        aggregate, key = feature.aggregate, feature.measure.key
        if aggregate == "distinct":
            found = ranges.distincts(self._distinct(feature)[1], lo, hi)
            return pl.Series(np.minimum(found, parts.DISTINCT_BOUND))
        part = {name: timeline.rows[f"{key}.{name}"] for name in parts.PARTS[aggregate]}
        if aggregate in ("count", "sum"):
            total = ranges.totals(part[parts.PARTS[aggregate][0]].fill_null(0).to_numpy(), lo, hi)
            return _unscaled(feature, pl.Series(total)) if aggregate == "sum" else pl.Series(total)
        if aggregate == "mean":
            count = pl.Series(ranges.totals(part["n"].to_numpy(), lo, hi))
            total = pl.Series(ranges.totals(part["sum"].fill_null(0).to_numpy(), lo, hi))
            return total.to_frame("s").select(pl.when(count > 0).then(pl.col("s") / (count * 10**feature.measure.scale))).to_series()
        if aggregate in ("min", "max"):
            return _unscaled(feature, _extreme(part[aggregate], lo, hi, aggregate))
        if aggregate == "seconds_since_last":
            found = _pick(part["time"], ranges.last_valid(part["time"].is_not_null().to_numpy(), lo, hi))
            return (pl.Series(points.ticks) - found) / 1000.0
        valid = part[aggregate].is_not_null().to_numpy()
        position = (ranges.first_valid if aggregate == "first" else ranges.last_valid)(valid, lo, hi)
        return _unscaled(feature, _pick(part[aggregate], position))

    def _timeline(self, feature: Feature) -> Timeline:
        name, pane = feature.signal, feature.pane
        if (name, pane) not in self._timelines:
            signal = self._plan.signals[name]
            rows = parts.of_rows(signal, pane, self._rows(signal))
            panes = self._memory.panes.get(f"{name} {pane}")
            if panes is not None:
                rows = pl.concat([parts.of_panes(signal, pane, panes), rows]).sort("code", "time", maintain_order=True)
            self._timelines[name, pane] = Timeline(rows)
        return self._timelines[name, pane]

    def _distinct(self, feature: Feature) -> tuple[Timeline, Ints]:
        """Return the timeline of a measure's values, and for each row the next one of the same value."""
        where = (feature.signal, feature.pane, feature.measure.key)
        if where not in self._values:
            rows = self._rows(self._plan.signals[feature.signal]).select("code", "time", value=feature.measure.key)
            old = self._memory.values.get(f"{feature.signal} {feature.pane} {feature.measure.key}")
            rows = rows.drop_nulls("value")
            if old is not None:
                rows = pl.concat([old, rows]).sort("code", "time", maintain_order=True)
            self._values[where] = (Timeline(rows), _following(rows))
        return self._values[where]

    def _rows(self, signal: SignalPlan) -> pl.DataFrame:
        return self._memory.rows.get(signal.signal, empty_rows(signal))


def empty_rows(signal: SignalPlan) -> pl.DataFrame:
    """Return the rows of a signal that never came."""
    ties = {"source": pl.String, "id": pl.String} if signal.ordered else {}
    return pl.DataFrame(schema={"code": pl.Int64, "time": pl.Int64, **ties, **{m.key: m.dtype for m in signal.measures}})


def ready_at(memory: Memory, feature: Feature) -> int | None:
    """Return the first time at which the feature's window is complete; None where it always is."""
    if memory.complete_from is None or feature.reach is None:
        return None
    return memory.complete_from + feature.reach


def _following(rows: pl.DataFrame) -> Ints:
    """Return the position of the next row with the same code and value, or a number past all rows."""
    values = rows["value"].to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    ranked = rows["code"].to_numpy() * max(len(values.dictionary), 1) + values.indices.to_numpy()
    order = np.argsort(ranked, kind="stable")
    following = np.full(len(rows), len(rows) + 1, np.int64)
    same = ranked[order[:-1]] == ranked[order[1:]]
    following[order[:-1][same]] = order[1:][same]
    return following


def _extreme(values: pl.Series, lo: Ints, hi: Ints, aggregate: str) -> pl.Series:
    smallest = aggregate == "min"
    limits = np.iinfo(np.int64)
    filled = values.cast(pl.Int64).fill_null(limits.max if smallest else limits.min).to_numpy()
    found = ranges.extremes(filled, lo, hi, np.minimum if smallest else np.maximum)
    count = ranges.totals(values.is_not_null().cast(pl.Int64).to_numpy(), lo, hi)
    return _null_where(pl.Series(found), count == 0)


def _pick(values: pl.Series, positions: Ints) -> pl.Series:
    """Return the value at each position, NULL at -1."""
    if values.is_empty():
        return pl.Series(values=[None] * len(positions), dtype=values.dtype)
    return _null_where(values[positions.clip(0)], positions < 0)


def _null_where(values: pl.Series, missing: np.ndarray) -> pl.Series:  # type: ignore[type-arg]
    return values.to_frame("v").select(pl.when(pl.lit(pl.Series(~missing))).then("v")).to_series()


def _unscaled(feature: Feature, values: pl.Series) -> pl.Series:
    return values / 10.0**feature.measure.scale if feature.measure.scale else values
