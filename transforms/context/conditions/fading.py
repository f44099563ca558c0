"""Derived values with a half-life: never below their expression, and fading from where it was.

What a value c at a time s is worth is kept as one whole number, the microsecond at which it comes down, or came up, to
1: s + half_life * log2(c), s the last refresh. The greatest of many is the one that is greatest at any later
time, so all that was is one number, whatever the spans and the pairs at which it was looked at.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Bools, Doubles, Ints
from transforms.compiler.definitions import Fading
from transforms.context.features.timeline import EvaluationPoints, keys_of
from transforms.context.grid import Grid, Span

GONE = 0.001
"""What has faded below this is nothing."""

NOTHING = np.iinfo(np.int64).min
KEPT = {"code": pl.Int64, "worth": pl.Int64, "level": pl.Float64}
"""What the state remembers: the greatest worth so far, and the level of the expression; sorted by code."""


@dataclass(frozen=True)
class Faded:
    """One fading value over a span.

    Attributes:
        kept: Its rows of `KEPT` at the end.
        falls: Where it falls with time alone.
        wakes: Code and next tick at which it does.
    """

    kept: pl.DataFrame
    falls: EvaluationPoints
    wakes: tuple[Ints, Ints]
    _fading: Fading
    _grid: Grid
    _keys: Ints
    _worth: Ints

    def at(self, points: EvaluationPoints, level: pl.Series) -> pl.Series:
        """Return the value at each pair, given the level of its expression there."""
        row = np.searchsorted(self._keys, points.keys(self._grid), "right") - 1
        worth = np.append(self._worth, NOTHING)[row]
        worth[np.append(self._keys, -1)[row] >> 40 != points.codes] = NOTHING
        left, own = _left(self._fading, worth, points.ticks), _numbers(level)
        holds = (left >= GONE) & (worth > _worth(self._fading, points.ticks, own))
        rounded = np.where(left < 1e9, np.rint(left * 1e6) / 1e6, left)
        return pl.Series(np.where(holds, np.fmax(rounded, own), own)).fill_nan(None)


def run(
    fading: Fading,
    span: Span,
    points: EvaluationPoints,
    level: pl.Series,
    kept: pl.DataFrame,
    forget: Bools | None = None,
) -> Faded:
    """Advance one fading value over a span.

    Args:
        fading: Its half-life and refresh.
        span: The ticks of the call.
        points: Where its expression was evaluated; it does not change elsewhere.
        level: The value of the expression at each.
        kept: What is remembered, as `KEPT`.
        forget: Where nothing is left of what was, and nothing will be of what is; None for nowhere.
    """
    tick = span.grid.tick
    code = np.concatenate([kept["code"].to_numpy(), points.codes])
    start = np.concatenate([np.full(len(kept), span.first - tick), points.ticks])
    order = np.argsort(keys_of(span.grid, code, start), kind="stable")
    code, start = code[order], start[order]
    levels = np.concatenate([_numbers(kept["level"]), _numbers(level)])[order]
    lost = np.concatenate([np.zeros(len(kept), bool), np.zeros(len(points), bool) if forget is None else forget])[order]
    levels[lost] = np.nan
    old = np.concatenate([kept["worth"].to_numpy(), np.full(len(points), NOTHING)])[order]
    first, last = np.diff(code, prepend=-1) != 0, np.diff(code, append=-1) != 0
    end = np.where(last, span.end, np.roll(start, -1))
    after = _greatest_so_far(np.cumsum(first | lost), np.maximum(old, _worth(fading, end - tick, levels)))
    before = np.where(first | lost, old, np.roll(after, 1))
    until = _last_fall(fading, span, before, levels)
    until = np.where(last, until, np.minimum(until, fading.refreshes.number(end)))
    falls, wakes = _falls(fading, span, code, start, until)
    lives = last & (_left(fading, after, np.full(len(code), span.upto)) >= GONE)
    table = pl.DataFrame({"code": code[lives], "worth": after[lives], "level": levels[lives]}, schema=KEPT)
    table = table.with_columns(pl.col("level").fill_nan(None))
    return Faded(table, falls, wakes, fading, span.grid, keys_of(span.grid, code, start), before)


def _numbers(values: pl.Series) -> Doubles:
    """Return the values with NaN for NULL."""
    return values.cast(pl.Float64).to_numpy()


def _worth(fading: Fading, ticks: Ints, levels: Doubles) -> Ints:
    """Return what levels are worth; `NOTHING` unless they are above 0."""
    counts = levels > 0
    found = np.full(len(levels), NOTHING)
    found[counts] = 1000 * fading.refreshes.floor(ticks[counts]) + _distance(fading, levels[counts])
    return found


def _distance(fading: Fading, levels: Doubles) -> Ints:
    """Return how long a level takes to come down to 1, microseconds."""
    return np.rint(1000 * fading.half_life * np.log2(levels)).astype(np.int64)


def _left(fading: Fading, worth: Ints, ticks: Ints) -> Doubles:
    """Return what is left at each tick."""
    something = worth != NOTHING
    passed = np.where(something, worth, 0) - 1000 * fading.refreshes.floor(ticks)
    return np.where(something, np.exp2(np.where(something, passed, 0) / (1000 * fading.half_life)), 0)


def _last_fall(fading: Fading, span: Span, worth: Ints, levels: Doubles) -> Ints:
    """Return the last refresh at which a value falls, to its level or to nothing, or one after the span's next two."""
    something = worth != NOTHING
    until = (np.where(something, worth, 0) - _distance(fading, np.fmax(levels, GONE)) - 1) // 1000
    until = np.where(something, np.clip(until, -fading.refreshes.every, span.end + 2 * fading.refreshes.every), 0)
    return np.where(something, fading.refreshes.number(until) + 1, -1)


def _falls(
    fading: Fading, span: Span, code: Ints, start: Ints, until: Ints
) -> tuple[EvaluationPoints, tuple[Ints, Ints]]:
    """Return where values fall in the span, at refreshes after `start` and not after `until`, and the next."""
    first = fading.refreshes.number(start) + 1
    upto = fading.refreshes.number(np.array([span.upto]))
    count = np.maximum(np.minimum(until, upto) - first + 1, 0)
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    falls = span.grid.after(fading.refreshes.begin(np.repeat(first, count) + number) - 1)
    later = first + count <= until
    following = span.grid.after(fading.refreshes.begin((first + count)[later]) - 1)
    return EvaluationPoints(np.repeat(code, count), falls), (code[later], following)


def _greatest_so_far(part: Ints, worth: Ints) -> Ints:
    """Return the running maximum of each part."""
    order = np.argsort(worth, kind="stable")
    rank = np.empty(len(worth), np.int64)
    rank[order] = np.arange(len(worth))
    return worth[order[np.maximum.accumulate(part * len(worth) + rank) % max(len(worth), 1)]]
