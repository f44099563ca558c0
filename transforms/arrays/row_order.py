"""Rows in an order that depends on nothing but them."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Bools, Ints

MOST_KEY = 1 << 62
"""Greater keys of code and time are not made."""


def in_order(rows: pl.DataFrame, *numbers: str) -> pl.DataFrame:
    """Sort rows by columns of numbers and, the few that are equal in these, by all others as they stand, NULL last."""
    ordered = rows.sort(numbers)
    same = ordered.select(pl.all_horizontal(pl.col(name).diff() == 0 for name in numbers).fill_null(False)).to_series()
    if not same.any():
        return ordered
    tied = _tied(same.to_numpy()[1:])
    few = ordered[tied].with_columns(row=tied).sort(*numbers, pl.exclude(*numbers, "row"), nulls_last=True)
    order = np.arange(len(ordered))
    order[tied] = few["row"].to_numpy()
    return ordered[order]


def merged(old: pl.DataFrame, new: pl.DataFrame, ties: Sequence[str]) -> pl.DataFrame:
    """Return old rows, which are in order, and new ones by code, time and, the few that are equal in these, ties."""
    both = pl.concat([old, new], rechunk=True)
    codes, times = both["code"].to_numpy(), both["time"].to_numpy()
    order = _by_time(codes, times, len(old))
    if ties:
        tied = _tied((np.diff(codes[order]) == 0) & (np.diff(times[order]) == 0))
        few = both[order[tied]].select("code", "time", *ties, row=pl.Series(order[tied]))
        order[tied] = few.sort("code", "time", *ties)["row"].to_numpy()
    return both[order]


def _by_time(codes: Ints, times: Ints, known: int) -> Ints:
    """Return the order by code and time of rows of which the first `known` are in it.

    Few new rows find their places among these. Of many, that come nearly in time's order, numpy sorts 16 bits at once
    by radix.
    """
    if known <= len(codes) // 2 or int(codes.max()) * (int(np.ptp(times)) + 1) > MOST_KEY:
        order = np.argsort(times, kind="stable")
        for bits in range(0, int(codes.max(initial=0)).bit_length(), 16):
            order = order[np.argsort((codes[order] >> bits).astype(np.uint16), kind="stable")]
        return order
    keys = codes.astype(np.int64) * (np.ptp(times) + 1) + (times - times.min())
    new = known + np.argsort(keys[known:], kind="stable")
    places = np.searchsorted(keys[:known], keys[new], "right") + np.arange(len(new))
    order = np.empty(len(codes), np.int64)
    is_old = np.ones(len(codes), bool)
    is_old[places] = False
    order[places], order[is_old] = new, np.arange(known)
    return order


def _tied(same: Bools) -> Ints:
    """Return the places of the rows that are equal to a neighbour; `same` tells it of each but the first."""
    return np.flatnonzero(np.append(same, False) | np.append(False, same))
