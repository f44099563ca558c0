"""Turns: who goes first among the triggers of one contact root, for many roots at once."""

from itertools import pairwise

import numpy as np
import polars as pl

from transforms.arrays.arrow_columns import Ints, changes

_ORDER = ("root", "tick", "priority", "value_micros", "decision_id")


def take_turns(triggers: pl.DataFrame, candidates: pl.DataFrame) -> tuple[Ints, list[list[int]]]:
    """Order the triggers so that those of different roots are decided at once.

    Returns:
        The rows of the triggers: the first trigger in the first tick of every root, the second in the first, …, the
        first in the second, …; and for each k the bounds of the turns in the k-th tick.
    """
    best = candidates.filter(pl.col("ineligible").is_null()).unique("trigger", keep="first")
    ordered = (
        triggers.select(pl.int_range(pl.len()).alias("trigger"), "root", "tick", "decision_id")
        .join(best.select("trigger", "priority", "value_micros"), on="trigger", how="left")
        .sort(_ORDER, descending=[name == "value_micros" for name in _ORDER], nulls_last=True)
    )
    new_root = changes(ordered["root"].to_numpy())
    new_tick = new_root | changes(ordered["tick"].to_numpy())
    at = np.arange(len(ordered))
    turn = at - np.maximum.accumulate(np.where(new_tick, at, 0))
    ticks = np.cumsum(new_tick)
    kth: Ints = ticks - np.maximum.accumulate(np.where(new_root, ticks, 0))
    order = np.lexsort((turn, kth))
    bounds = np.append(np.flatnonzero(changes(kth[order]) | changes(turn[order])), len(order))
    firsts = np.append(np.flatnonzero(changes(kth[order[bounds[:-1]]])), len(bounds) - 1)
    rounds = [bounds[first : last + 1].tolist() for first, last in pairwise(firsts)]
    return ordered["trigger"].to_numpy()[order], rounds
