"""How the simulated town's signals arrive: a little late, a little out of order, some of them twice."""

import numpy as np
import polars as pl

SOURCE = "simulated"
USUAL_DELAY_MS = 2_000
WORST_DELAY_MS = 110_000
SLOW_SHARE = 0.03
DUPLICATE_SHARE = 0.003


def arrived(rng: np.random.Generator, signals: pl.DataFrame, prefix: str, first: int) -> pl.DataFrame:
    """Return the signals in the order of arrival, with `id` and `source`; nothing comes two minutes late.

    Args:
        rng: What decides on delays and duplicates.
        signals: With `time`, in any order.
        prefix: Tells the ids of one signal type from those of others.
        first: The number in the first id.
    """
    count = len(signals)
    slow = rng.random(count) < SLOW_SHARE
    delay = np.where(slow, rng.uniform(0, WORST_DELAY_MS, count), rng.exponential(USUAL_DELAY_MS, count))
    twice = np.flatnonzero(rng.random(count) < DUPLICATE_SHARE)
    again = rng.uniform(np.minimum(delay[twice], WORST_DELAY_MS), WORST_DELAY_MS)
    rows = np.concatenate([np.arange(count), twice])
    at = signals["time"].to_numpy()[rows] + np.concatenate([np.minimum(delay, WORST_DELAY_MS), again])
    order = rows[np.argsort(at, kind="stable")]
    number = pl.Series(order + 1_000_000_000 + first)
    return signals[order].with_columns(
        id=pl.select(pl.format("sim-{}{}", pl.lit(prefix), number)).to_series(), source=pl.lit(SOURCE)
    )
