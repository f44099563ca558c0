"""Each aggregate over row ranges of a timeline, as a column; what is empty is NULL where SQL says so."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import polars as pl

from transforms.arrays import ranges
from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.exact_arithmetic import unscaled
from transforms.compiler.definitions import Feature


@dataclass(frozen=True)
class Ranges:
    """Rows `[lo, hi)` of a timeline for each point.

    Attributes:
        rows: The timeline's rows, their parts named `key.part`.
        ticks: Tick of each point.
        lo: Where each range starts.
        hi: Where each range ends.
    """

    rows: pl.DataFrame
    ticks: Ints
    lo: Ints
    hi: Ints

    def count(self, values: pl.Series) -> pl.Series:
        """Add up small numbers over each range."""
        return pl.Series(ranges.totals(filled(values, 0).to_numpy(), self.lo, self.hi))

    def total(self, values: pl.Series) -> pl.Series:
        """Sum a column over each range, exactly: as Int64 where no range can leave that, else as Int128."""
        extremes = [int(edge) for edge in (values.min(), values.max()) if isinstance(edge, int | Decimal)]
        longest = int((self.hi - self.lo).max(initial=1))
        if all(-_ROOM < longest * edge < _ROOM for edge in extremes):
            return self.count(values.cast(pl.Int64))
        wide, half = pl.col("v").cast(pl.Int128), pl.lit(2**32, pl.Int128)
        halves = values.to_frame("v").select(high=wide // half, low=wide % half).cast(pl.Int64)
        sums = pl.DataFrame({part.name: self.count(part) for part in halves}).cast(pl.Int128)
        return sums.select(pl.col("high") * half + pl.col("low")).to_series()


_ROOM = 2**63


def aggregate(feature: Feature, over: Ranges) -> pl.Series:
    """Return the feature's aggregate over each range, in the unit of its column; distinct is not made of parts."""
    return _AGGREGATES[feature.aggregate](feature, over)


def null_where(values: pl.Series, missing: Bools) -> pl.Series:
    """Return the values with NULL where they are missing."""
    return values.to_frame("v").select(pl.when(pl.Series(~missing)).then("v")).to_series() if missing.any() else values


def valid(values: pl.Series) -> Bools:
    """Tell which values are not NULL."""
    return values.is_not_null().to_numpy() if values.null_count() else np.ones(len(values), np.bool_)


def filled(values: pl.Series, with_: int) -> pl.Series:
    """Return the values with a number where they are NULL."""
    return values.fill_null(with_) if values.null_count() else values


def _part(feature: Feature, over: Ranges, name: str) -> pl.Series:
    return over.rows[f"{feature.measure.key}.{name}"]


def _count(feature: Feature, over: Ranges) -> pl.Series:
    return over.count(_part(feature, over, "n"))


def _sum(feature: Feature, over: Ranges) -> pl.Series:
    total = over.total(_part(feature, over, "sum"))
    return _unscaled(feature, total) if feature.measure.scale else total.cast(pl.Int64, strict=False)


def _mean(feature: Feature, over: Ranges) -> pl.Series:
    total, count = _numbers(over.total(_part(feature, over, "sum"))), _count(feature, over).to_numpy()
    return pl.Series(unscaled(total, feature.measure.scale, count), nan_to_null=True)


def _extreme(feature: Feature, over: Ranges) -> pl.Series:
    values, smallest = _part(feature, over, feature.aggregate), feature.aggregate == "min"
    beyond = np.iinfo(np.int64).max if smallest else np.iinfo(np.int64).min
    pick = np.minimum if smallest else np.maximum
    found = ranges.extremes(filled(values.cast(pl.Int64), beyond).to_numpy(), over.lo, over.hi, pick)
    count = ranges.totals(valid(values).astype(np.int64), over.lo, over.hi)
    return _unscaled(feature, null_where(pl.Series(found), count == 0))


def _first(feature: Feature, over: Ranges) -> pl.Series:
    values = _part(feature, over, "first")
    return _unscaled(feature, _pick(values, ranges.first_valid(valid(values), over.lo, over.hi)))


def _last(feature: Feature, over: Ranges) -> pl.Series:
    values = _part(feature, over, "last")
    return _unscaled(feature, _pick(values, ranges.last_valid(valid(values), over.lo, over.hi)))


def _latest(feature: Feature, over: Ranges) -> pl.Series:
    values = _part(feature, over, "latest")
    return _unscaled(feature, _pick(values, np.where(over.hi > over.lo, over.hi - 1, -1)))


def _opt_in(feature: Feature, over: Ranges) -> pl.Series:
    return (_last(feature, over) > pl.Series(over.ticks)).fill_null(False)


def _opt_out(feature: Feature, over: Ranges) -> pl.Series:
    return ~(_last(feature, over) < -pl.Series(over.ticks)).fill_null(False)


def _seconds_since_last(feature: Feature, over: Ranges) -> pl.Series:
    times = _part(feature, over, "time")
    last = _pick(times, ranges.last_valid(valid(times), over.lo, over.hi))
    return _in_units(pl.Series(over.ticks) - last, 3)


_AGGREGATES: dict[str, Callable[[Feature, Ranges], pl.Series]] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "min": _extreme,
    "max": _extreme,
    "first": _first,
    "last": _last,
    "latest": _latest,
    "seconds_since_last": _seconds_since_last,
    "opt_in": _opt_in,
    "opt_out": _opt_out,
}


def _pick(values: pl.Series, positions: Ints) -> pl.Series:
    """Return the value at each position, NULL at -1."""
    if values.is_empty():
        return pl.Series(values=[None] * len(positions), dtype=values.dtype)
    return null_where(values[positions.clip(0)], positions < 0)


def _unscaled(feature: Feature, values: pl.Series) -> pl.Series:
    return _in_units(values, feature.measure.scale) if feature.measure.scale else values


def _numbers(values: pl.Series) -> Ints:
    """Return whole numbers as numpy has them, Python's own where they are wider."""
    return np.array(values.to_list(), object) if values.dtype == pl.Int128 else values.to_numpy()


def _in_units(values: pl.Series, scale: int) -> pl.Series:
    numbers = unscaled(_numbers(filled(values, 0)), scale)
    return null_where(pl.Series(numbers), ~valid(values))
