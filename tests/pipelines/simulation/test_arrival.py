"""Tests of how signals arrive."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.simulation.arrival import WORST_DELAY_MS, arrived


@given(st.lists(st.integers(0, 10**7), max_size=300), st.integers(0, 99))
def test_nothing_is_lost_and_ids_name_one_signal_each(times: list[int], seed: int) -> None:
    signals = pl.DataFrame({"time": times, "n": range(len(times))}, schema={"time": pl.Int64, "n": pl.Int64})
    made = arrived(np.random.default_rng(seed), signals, "usage", 7)
    assert sorted(made["n"].unique().to_list()) == list(range(len(times)))
    assert made.unique(["id"]).height == made.unique(["id", "n", "time"]).height == len(times)
    behind = made.select((pl.col("time").cum_max() - pl.col("time")).max()).item()
    assert behind is None or behind <= WORST_DELAY_MS
