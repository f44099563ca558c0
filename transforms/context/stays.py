"""Stays: from when to when subjects are known, or members of a segment; columns code, start, end (exclusive)."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from transforms.context.features import Features
from transforms.context.segments import NEVER, Span
from transforms.context.ticks import Ints

STAYS = {"code": pl.Int64, "start": pl.Int64, "end": pl.Int64}


def of_members(events: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Return the stays of one segment's members.

    Args:
        events: What happened in a span: code, tick, event; sorted by code and tick.
        members: The memberships at its start: code, entered.
    """
    entered = events.filter(pl.col("event") == "entered").select("code", start="tick")
    starts = pl.concat([members.select("code", start="entered"), entered]).sort("code", "start")
    ends = events.filter(pl.col("event") == "exited").select("code", end="tick")
    turn = pl.int_range(pl.len()).over("code").alias("turn")
    both = starts.with_columns(turn).join(ends.with_columns(turn), on=["code", "turn"], how="left")
    return both.select("code", "start", pl.col("end").fill_null(NEVER)).sort("code", "start")


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


def intersection(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Return the ticks in both of two stays."""
    both = one.join(other, on="code")
    shared = both.select(
        "code",
        start=pl.max_horizontal("start", "start_right"),
        end=pl.min_horizontal("end", "end_right"),
    )
    return shared.filter(pl.col("start") < pl.col("end"))


def count_at(stays: pl.DataFrame, ticks: Ints) -> Ints:
    """Return how many there are at each tick."""
    begun = np.searchsorted(np.sort(stays["start"].to_numpy()), ticks, "right")
    ended = np.searchsorted(np.sort(stays["end"].to_numpy()), ticks, "right")
    return begun - ended


def pairs_at(stays: pl.DataFrame, ticks: Ints) -> tuple[Ints, Ints]:
    """Return the pairs (code, position in the sorted `ticks`) of those that are there at each tick."""
    low = np.searchsorted(ticks, stays["start"].to_numpy(), "left")
    high = np.searchsorted(ticks, stays["end"].to_numpy(), "left")
    many = high - low
    nth = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    return np.repeat(stays["code"].to_numpy(), many), np.repeat(low, many) + nth
