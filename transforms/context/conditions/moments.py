"""Moments: rising edges of a condition, repeated while it stays true, or sequences; at most one in a given time."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Bools, Ints
from transforms.compiler.definitions import Moment
from transforms.context.conditions.sequences import SequenceMatches
from transforms.context.features.timeline import EvaluationPoints, keys_of
from transforms.context.grid import Span
from transforms.context.state.shard_state import MOMENTS

_SINCE = {name: MOMENTS[name] for name in ("code", "since")}


@dataclass
class Firings:
    """What happened to one moment.

    Attributes:
        points: When it fired, sorted.
        rows: At each, code, tick and the columns of the signals that made it; empty for an edge.
        memory: Its rows of `shard_state.MOMENTS`.
        wakes: Code and tick at which it may fire next if nothing changes.
    """

    points: EvaluationPoints
    rows: pl.DataFrame
    memory: pl.DataFrame
    wakes: tuple[Ints, Ints]


def run(
    moment: Moment, span: Span, points: EvaluationPoints, true: Bools, memory: pl.DataFrame, silent: int | None = None
) -> Firings:
    """Advance one moment that is an edge over a span.

    Args:
        moment: The definition.
        span: The ticks of the call.
        points: Where the condition was evaluated; it does not change elsewhere.
        true: Its level at each point.
        memory: The moment's rows of `shard_state.MOMENTS`, sorted by code.
        silent: The tick at which its level is taken without an edge, None for none.
    """
    codes, starts, ends = _runs(span, points, true, memory)
    fired, last = _at_most(moment, span, _fires(moment, span, codes, starts, ends), memory, silent)
    going = ends == span.end
    since = pl.DataFrame({"code": codes[going], "since": starts[going]})
    repeats = np.flatnonzero(going) if moment.repeat else np.empty(0, np.int64)
    missed = (span.upto - starts[repeats]) // (moment.repeat or 1) + 1
    wakes = codes[repeats], starts[repeats] + missed * (moment.repeat or 1)
    return Firings(fired, pl.DataFrame(), _memory(moment, since, last), wakes)


def complete(
    moment: Moment,
    span: Span,
    points: EvaluationPoints,
    true: Bools,
    memory: pl.DataFrame,
    done: SequenceMatches,
    silent: int | None = None,
) -> Firings:
    """Advance one moment that is a sequence over a span.

    Args:
        moment: The definition.
        span: The ticks of the call.
        points: Where the condition was evaluated, all completions among them.
        true: Its level at each point.
        memory: The moment's rows of `shard_state.MOMENTS`, sorted by code.
        done: Where its sequence completed.
        silent: The tick at which it does not fire, None for none.
    """
    at = np.searchsorted(points.keys(span.grid), done.points.keys(span.grid))
    fired, last = _at_most(moment, span, done.points.at(np.flatnonzero(true[at])), memory, silent)
    positions = np.searchsorted(done.points.keys(span.grid), fired.keys(span.grid))
    return Firings(fired, done.rows[positions], _memory(moment, pl.DataFrame(schema=_SINCE), last), done.wakes)


def _runs(span: Span, points: EvaluationPoints, true: Bools, memory: pl.DataFrame) -> tuple[Ints, Ints, Ints]:
    """Return code, start and end of each run of TRUE; one that goes on ends at the tick after the span."""
    old = memory.filter(pl.col("since").is_not_null())
    code = np.concatenate([old["code"].to_numpy(), points.codes])
    tick = np.concatenate([old["since"].to_numpy(), points.ticks])
    level = np.concatenate([np.ones(len(old), bool), true])
    order = np.argsort(keys_of(span.grid, code, tick), kind="stable")
    code, tick, level = code[order], tick[order], level[order]
    first = np.diff(code, prepend=-1) != 0
    turns = np.flatnonzero(np.where(first, level, np.diff(level, prepend=False)))
    code, tick, level = code[turns], tick[turns], level[turns]
    goes_on = np.append(np.diff(code) != 0, True) if len(code) else np.empty(0, bool)
    end = np.where(goes_on, span.end, np.append(tick[1:], 0)) if len(code) else tick
    return code[level], tick[level], end[level]


def _fires(moment: Moment, span: Span, codes: Ints, starts: Ints, ends: Ints) -> EvaluationPoints:
    """Return the edge of each run and its repetitions, as far as they lie in the span."""
    if not moment.repeat:
        new = starts >= span.first
        return EvaluationPoints(codes[new], starts[new])
    skipped = np.maximum(span.first - starts + moment.repeat - 1, 0) // moment.repeat
    count = np.maximum((ends - 1 - starts) // moment.repeat + 1 - skipped, 0)
    run_of = np.repeat(np.arange(len(codes)), count)
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return EvaluationPoints(codes[run_of], starts[run_of] + (skipped[run_of] + number) * moment.repeat)


def _at_most(
    moment: Moment, span: Span, fires: EvaluationPoints, memory: pl.DataFrame, silent: int | None
) -> tuple[EvaluationPoints, pl.DataFrame]:
    """Return which firings `silent` and `again_after` allow, and the last that may still forbid another, by subject."""
    fires = fires.at(np.flatnonzero(fires.ticks != silent))
    if not moment.again_after:
        return fires, memory.clear().select("code", "fired")
    last = memory.filter(pl.col("fired").is_not_null()).select("code", "fired")
    fired = _spaced(span, fires, last, moment.again_after)
    return fired, _last(last, fired).filter(pl.col("fired") + moment.again_after > span.end)


def _memory(moment: Moment, since: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `shard_state.MOMENTS` of one moment."""
    codes = np.union1d(since["code"].to_numpy(), last["code"].to_numpy())
    columns = {name: pl.Series(name, [None], pl.Int64).new_from_index(0, len(codes)) for name in ("since", "fired")}
    for name, table in (("since", since), ("fired", last)):
        columns[name] = columns[name].scatter(np.searchsorted(codes, table["code"].to_numpy()), table[name])
    return pl.DataFrame({"code": codes, "moment": moment.name, **columns}, MOMENTS)


def _spaced(span: Span, fires: EvaluationPoints, last: pl.DataFrame, again_after: int) -> EvaluationPoints:
    """Keep the first of each subject that is `again_after` past the one kept before, the k-th of all at once."""
    keys = fires.keys(span.grid)
    codes = fires.codes[fires.starts]
    free = np.zeros(len(codes), np.int64)
    at = np.searchsorted(codes, last["code"].to_numpy())
    known = at < len(codes)
    known[known] = codes[at[known]] == last["code"].to_numpy()[known]
    free[at[known]] = last["fired"].to_numpy()[known] + again_after
    kept: list[Ints] = []
    while len(codes):
        row = np.searchsorted(keys, keys_of(span.grid, codes, -(-free // span.grid.tick) * span.grid.tick))
        found = row < len(keys)
        found[found] = fires.codes[row[found]] == codes[found]
        codes, row = codes[found], row[found]
        free = fires.ticks[row] + again_after
        kept.append(row)
    return fires.at(np.sort(np.concatenate(kept))) if kept else fires


def _last(before: pl.DataFrame, fired: EvaluationPoints) -> pl.DataFrame:
    """Return the last firing of each subject that ever fired."""
    now = pl.DataFrame({"code": fired.codes, "fired": fired.ticks})
    return pl.concat([before, now]).group_by("code").agg(pl.col("fired").max())
