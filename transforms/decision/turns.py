"""Turns: who goes first among the triggers of one contact root, for many roots at once."""

from itertools import pairwise

import numpy as np
import polars as pl

from transforms.arrays.arrow_columns import Ints, changes

_LAST = np.iinfo(np.int64).max


def take_turns(triggers: pl.DataFrame, candidates: pl.DataFrame) -> tuple[Ints, list[list[int]]]:
    """Order the triggers so that those of different roots are decided at once.

    Returns:
        The rows of the triggers: the first trigger in the first tick of every root, the second in the first, …, the
        first in the second, …; and for each k the bounds of the turns in the k-th tick.
    """
    root, tick = triggers["root"].to_numpy(), triggers["tick"].to_numpy()
    ordered = np.lexsort((_place(triggers["decision_id"]), *_best(candidates, len(triggers)), tick, root))
    new_root = changes(root[ordered])
    new_tick = new_root | changes(tick[ordered])
    at = np.arange(len(ordered))
    turn = at - np.maximum.accumulate(np.where(new_tick, at, 0))
    ticks = np.cumsum(new_tick)
    kth: Ints = ticks - np.maximum.accumulate(np.where(new_root, ticks, 0))
    order = np.lexsort((turn, kth))
    bounds = np.append(np.flatnonzero(changes(kth[order]) | changes(turn[order])), len(order))
    firsts = np.append(np.flatnonzero(changes(kth[order[bounds[:-1]]])), len(bounds) - 1)
    rounds = [bounds[first : last + 1].tolist() for first, last in pairwise(firsts)]
    return ordered[order], rounds


def _best(candidates: pl.DataFrame, triggers: int) -> tuple[Ints, Ints]:
    """Return what orders triggers by their best eligible candidate, the lesser key first: value, then tier."""
    trigger = candidates["trigger"].to_numpy()
    best = np.flatnonzero(changes(trigger) & candidates["ineligible"].is_null().to_numpy())
    value, tier = np.full(triggers, _LAST), np.full(triggers, _LAST)
    value[trigger[best]] = -candidates["value_micros"].gather(best).to_numpy()
    tier[trigger[best]] = candidates["priority"].gather(best).to_numpy()
    return value, tier


def _place(texts: pl.Series) -> Ints:
    """Return the place of each text in their order."""
    places = np.empty(len(texts), np.int64)
    places[texts.arg_sort().to_numpy()] = np.arange(len(texts))
    return places
