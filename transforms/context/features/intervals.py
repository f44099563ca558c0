"""Stays: from when to when subjects are known, or members of a segment; columns code, start, end (exclusive)."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Ints
from transforms.context.features.windows import Features
from transforms.context.grid import NEVER, Span

ROOM = 4_000_000
"""Numbers of a matrix of subjects and segments that is held at a time."""

STAYS = {"code": pl.Int64, "start": pl.Int64, "end": pl.Int64}


def of_members(events: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Return the stays of the members of segments, with their segment.

    Args:
        events: What happened in a span: segment, code, tick, event; those of a segment sorted by code and tick.
        members: The memberships at its start: segment, code, entered.
    """
    whose = ("segment", "code")
    entered = events.filter(pl.col("event") == "entered").select(*whose, start="tick")
    starts = pl.concat([members.select(*whose, start="entered"), entered]).sort(*whose, "start")
    ends = events.filter(pl.col("event") == "exited").select(*whose, end="tick")
    turn = pl.int_range(pl.len()).over(whose).alias("turn")
    both = starts.with_columns(turn).join(ends.with_columns(turn), on=[*whose, "turn"], how="left")
    return both.select(*whose, "start", pl.col("end").fill_null(NEVER)).sort(*whose, "start")


def of_rows(features: Features, span: Span) -> pl.DataFrame:
    """Return the stays of subjects with a row inside the longest window over it; the earliest start is the span's."""
    found = [pl.DataFrame(dict(zip(STAYS, stays, strict=True)), schema=STAYS) for stays in features.stays()]
    return union(stays.with_columns(pl.col("start").clip(span.first)) for stays in [pl.DataFrame(schema=STAYS), *found])


def union(stays: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the ticks in any of several stays; those of a subject do not touch one another."""
    every = pl.concat(stays).filter(pl.col("start") < pl.col("end")).sort("code", "start", "end")
    before = pl.col("end").cum_max().shift().over("code")
    begins = every.select((pl.col("start") > before.fill_null(-1)).cum_sum()).to_series()
    return every.group_by(begins.alias("stay"), maintain_order=True).agg(
        pl.col("code").first(), pl.col("start").min(), pl.col("end").max()
    )[:, 1:]


def count_at(stays: pl.DataFrame, ticks: Ints) -> Ints:
    """Return how many there are at each tick."""
    begun = np.searchsorted(np.sort(stays["start"].to_numpy()), ticks, "right")
    ended = np.searchsorted(np.sort(stays["end"].to_numpy()), ticks, "right")
    return begun - ended


def pairs_at(stays: pl.DataFrame, ticks: Ints) -> tuple[Ints, Ints]:
    """Return the pairs (code, position in the sorted `ticks`) of those that are there at each tick."""
    rows, nth = _rows_at(stays, ticks)
    return stays["code"].to_numpy()[rows], nth


def overlaps_at(members: pl.DataFrame, names: pl.Series, ticks: Ints) -> pl.DataFrame:
    """Return how many are in each two segments at each tick.

    Args:
        members: As `of_members` returns it.
        names: All segments.
        ticks: Sorted.

    Returns:
        nth (position in `ticks`), one, other (the same: how many are in it), n; only where somebody is.
    """
    of = pl.DataFrame({"segment": names, "which": np.arange(len(names))})
    rows, nth = _rows_at(members, ticks)
    which = members.join(of, "segment", "left", maintain_order="left")["which"].to_numpy()[rows]
    order = np.lexsort((members["code"].to_numpy()[rows], nth))
    which, codes, nth = which[order], members["code"].to_numpy()[rows][order], nth[order]
    found = [np.empty((4, 0), np.int64)]
    for start, stop in pairwise(np.flatnonzero(np.diff(nth, prepend=-1, append=-1))):
        both = _shared(which[start:stop], codes[start:stop], len(names))
        one, other = np.nonzero(both)
        found.append(np.stack([np.full(len(one), nth[start]), one, other, both[one, other]]))
    columns = dict(zip(("nth", "one", "other", "n"), np.concatenate(found, axis=1), strict=True))
    return pl.DataFrame(columns | {"one": names[columns["one"]], "other": names[columns["other"]]})


def _shared(which: Ints, codes: Ints, size: int) -> Ints:
    """Count the subjects that are in each two of `size` segments; `codes` is sorted."""
    subject = np.cumsum(np.diff(codes, prepend=codes[:1]) != 0)
    step = min(max(ROOM // size, 1), int(subject[-1]) + 1)
    found = np.zeros((size, size))  # doubles are exact, and multiplied far quicker than integers
    for start in range(0, int(subject[-1]) + 1, step):
        some = slice(*np.searchsorted(subject, [start, start + step]))
        inside = np.zeros((step, size))
        inside[subject[some] - start, which[some]] = 1
        found += inside.T @ inside
    return found.astype(np.int64)


def _rows_at(stays: pl.DataFrame, ticks: Ints) -> tuple[Ints, Ints]:
    """Return the pairs (row, position in the sorted `ticks`) of those that are there at each tick."""
    low = np.searchsorted(ticks, stays["start"].to_numpy(), "left")
    high = np.searchsorted(ticks, stays["end"].to_numpy(), "left")
    many = high - low
    nth = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    return np.repeat(np.arange(len(stays)), many), np.repeat(low, many) + nth
