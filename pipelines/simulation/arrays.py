"""Numpy arrays and named codes: what the town is made of."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

INSTANT = pl.Datetime("ms", "UTC")
NEVER = 1_000_000
"""A day that no run reaches."""


def named(codes: Ints, names: Sequence[str]) -> pl.Series:
    """Return the codes as an enum of `names`; a negative code becomes null."""
    series = pl.Series(codes)
    known = series.set(series < 0, None) if len(codes) and codes.min() < 0 else series
    return known.cast(pl.UInt32).cat.to(pl.Enum(names))


def numbered(prefix: str, count: int) -> tuple[str, ...]:
    """Return `count` ids of equal length that say they are simulated."""
    return tuple(f"sim-{prefix}{number:06d}" for number in range(count))


def chosen(rng: np.random.Generator, weights: Sequence[float], count: int) -> Ints:
    """Return `count` positions in `weights`, drawn by weight."""
    bounds = np.cumsum(weights)
    return np.searchsorted(bounds, rng.random(count) * bounds[-1], side="right").astype(np.int64)


def same(value: str | float | None, count: int) -> pl.Series:
    """Return `count` times the same value; None is a missing string."""
    return pl.repeat(value, count, dtype=pl.Float64 if isinstance(value, float) else pl.String, eager=True)


def ids(what: str, count: int) -> pl.Series:
    """Return `count` different ids that say they are simulated."""
    return pl.select(pl.format("sim-{}-{}", pl.lit(what), pl.int_range(count) + 1_000_000)).to_series()


def days_between(rng: np.random.Generator, low: float, high: float, days: int, count: int) -> Ints:
    """Return days drawn evenly between two shares of the time."""
    return (rng.uniform(low, high, count) * days).astype(np.int64)


def since_day(rng: np.random.Generator, does: Bools, days: int) -> Ints:
    """Return the first day of those who do it, 0 for six in ten and in the first two thirds for others; else NEVER."""
    early = rng.random(len(does)) < 0.6
    return np.where(does, np.where(early, 0, days_between(rng, 0.02, 0.66, days, len(does))), NEVER)
