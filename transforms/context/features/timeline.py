"""Rows of all subjects end to end on one axis, so that a window is a range of row numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Ints
from transforms.compiler.definitions import CONSENTS, NO_END, Deadline, Feature
from transforms.compiler.sql.dates import date_of, day_number
from transforms.context.grid import Grid, floor

BEFORE_ALL = -(2**62)


@dataclass(frozen=True)
class EvaluationPoints:
    """Pairs (subject, tick), sorted by both and unique."""

    codes: Ints
    ticks: Ints

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.codes)

    @cached_property
    def starts(self) -> Ints:
        """Position of the first pair of each subject that has one."""
        return np.flatnonzero(np.diff(self.codes, prepend=-1))

    def keys(self, grid: Grid) -> Ints:
        """One number a pair, in the same order; the same for equal pairs of any `EvaluationPoints`."""
        return keys_of(grid, self.codes, self.ticks)

    def at(self, rows: Ints) -> "EvaluationPoints":
        """Return some of the pairs."""
        return EvaluationPoints(self.codes[rows], self.ticks[rows])


def keys_of(grid: Grid, codes: Ints, ticks: Ints) -> Ints:
    """Return one number for each (subject, tick): room for `MOST_SUBJECTS` of a shard and 10**12 ticks."""
    return (codes << 40) + ticks // grid.tick


def keys_in(grid: Grid, table: pl.DataFrame) -> Ints:
    """Return `keys_of` the columns code and tick of a table."""
    return keys_of(grid, table["code"].to_numpy(), table["tick"].to_numpy())


def points_of(grid: Grid, keys: Ints) -> EvaluationPoints:
    """Return the sorted unique pairs of `keys_of` numbers in any order."""
    ordered = without_repeats(np.sort(keys, kind="stable"))
    return EvaluationPoints(ordered >> 40, (ordered & (2**40 - 1)) * grid.tick)


def without_repeats(keys: Ints) -> Ints:
    """Drop the keys that equal the one before."""
    return keys[np.diff(keys, prepend=-1) != 0]


class Timeline:
    """Rows of one signal and pane, sorted by subject and time."""

    def __init__(self, rows: pl.DataFrame) -> None:
        """Lay out the rows: columns code, time, and any others."""
        self.rows = rows
        self.codes: Ints = rows["code"].to_numpy()
        self.times: Ints = rows["time"].to_numpy()
        self._axis = _axis_of(self.codes, self.times)
        self._span = self._axis.length + 1
        self._keys = self.codes * self._span + self._axis.places(self.times)

    def first_since(self, points: EvaluationPoints, ago: int | None, pane: int) -> Ints:
        """Return at each pair the number of the subject's first row in a pane that began not before `ago`.

        Args:
            points: The pairs.
            ago: Milliseconds before the tick; None for ever.
            pane: See `Grid`.
        """
        within = 0 if ago is None else self._axis.places(floor(points.ticks - ago, pane))
        return _smaller(self._keys, points.codes * self._span + within)


@dataclass(frozen=True)
class _Axis:
    """Where times lie from the least of some on: milliseconds, or, where subjects leave no room, the how manieth.

    Attributes:
        zero: The least time.
        length: The place of what is later than all.
        steps: The times that have places of their own, sorted; None for every millisecond.
    """

    zero: int
    length: int
    steps: Ints | None = None

    def places(self, times: Ints) -> Ints:
        """Return the place of each time: that of the next one with a place of its own."""
        if self.steps is None:
            return np.clip(times - self.zero, 0, self.length)
        return np.searchsorted(self.steps, times)


def _axis_of(codes: Ints, times: Ints) -> _Axis:
    """Return an axis on which the subjects fit end to end into half of what Int64 holds; see `_smaller`."""
    zero, last = (int(times.min()), int(times.max())) if len(times) else (0, 0)
    length = last - zero + 1
    if (int(codes.max(initial=0)) + 2) * (length + 1) < 2**61:
        return _Axis(zero, length)
    steps = np.unique(times)
    return _Axis(zero, len(steps), steps)


def _smaller(keys: Ints, others: Ints) -> Ints:
    """Count the keys that are smaller than each of the others; both are sorted."""
    if len(others) < len(keys) // 4:
        return np.searchsorted(keys, others)
    merged = np.concatenate([2 * others, 2 * keys + 1])
    merged.sort(kind="stable")  # two runs: merged in one pass, far quicker than as many searches
    return np.flatnonzero(merged & 1 == 0) - np.arange(len(others))


class Shift(NamedTuple):
    """How long after its time a row may change a feature: at the first tick that is past, or not before, that time.

    Attributes:
        delta: Milliseconds after the time.
        pane: Counts from the end of the row's pane; 0 from the row itself.
        reached: Whether the tick may be at that time, not only past it.
        last: The measure whose last time counts, None for the row's own.
    """

    delta: int
    pane: int = 0
    reached: bool = False
    last: str | None = None

    def ticks(self, grid: Grid, timeline: Timeline) -> Ints:
        """Return the tick of each row."""
        times = timeline.times
        if self.last is not None:
            times = timeline.rows[f"{self.last}.time"].fill_null(BEFORE_ALL).to_numpy()
        times = floor(times, self.pane) + (self.pane + self.delta)
        return grid.after(times - 1) if self.reached or self.pane else grid.after(times)


class Passing(NamedTuple):
    """When the date that a row brought comes as near as a deadline says."""

    latest: str
    deadline: Deadline

    def ticks(self, grid: Grid, timeline: Timeline) -> Ints:
        """Return the tick of each row; one before all where it has no date, or had come that near when it came."""
        days, refreshes = self.deadline
        date = day_number(date_of(pl.col(f"{self.latest}.latest"))) - days
        numbers = timeline.rows.select(date).to_series()
        there = numbers.is_not_null().to_numpy()
        ticks = np.full(len(timeline.rows), BEFORE_ALL)
        ticks[there] = grid.after(refreshes.since_day(numbers.drop_nulls().to_numpy()) - 1)
        return np.where(ticks > grid.after(timeline.times), ticks, BEFORE_ALL)


class Lapsing(NamedTuple):
    """When a consent that a row gave, or withdrew, lapses."""

    measure: str

    def ticks(self, grid: Grid, timeline: Timeline) -> Ints:
        """Return the tick of each row; one before all where it has none, or had lapsed when it came."""
        until = timeline.rows[f"{self.measure}.last"].abs().fill_null(0).to_numpy()
        ticks = -(-until // grid.tick) * grid.tick
        return np.where((ticks > grid.after(timeline.times)) & (ticks < NO_END), ticks, BEFORE_ALL)


def shifts(feature: Feature) -> Iterator[Shift | Passing | Lapsing]:
    """Yield when a row enters the feature's window, when it leaves, and when its age, date or consent passes."""
    yield Shift(feature.offset, feature.head_pane)
    if feature.window is not None:
        yield Shift(feature.offset + feature.window, feature.pane)
    for seconds in feature.thresholds:
        yield Shift(int(np.ceil(seconds * 1000)), reached=True, last=feature.measure.key)
        yield Shift(int(np.floor(seconds * 1000)), last=feature.measure.key)
    for deadline in feature.deadlines:
        yield Passing(feature.measure.key, deadline)
    if feature.aggregate in CONSENTS:
        yield Lapsing(feature.measure.key)
