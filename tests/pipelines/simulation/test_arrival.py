"""Tests of how signals arrive."""

from datetime import date

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.simulation.arrival import FOR_EVER, GRACE_MS, WORST_DELAY_MS, Arrivals, arrived, late_of
from pipelines.simulation.calendar import Calendar


@given(st.lists(st.integers(0, 10**7), max_size=300), st.integers(0, 99))
def test_nothing_is_lost_and_ids_name_one_signal_each(times: list[int], seed: int) -> None:
    signals = pl.DataFrame({"time": times, "n": range(len(times))}, schema={"time": pl.Int64, "n": pl.Int64})
    made = arrived(np.random.default_rng(seed), signals, "usage", 7)
    assert sorted(made["n"].unique().to_list()) == list(range(len(times)))
    assert made.unique(["id"]).height == made.unique(["id", "n", "time"]).height == len(times)
    behind = made.select((pl.col("time").cum_max() - pl.col("time")).max()).item()
    assert behind is None or behind <= WORST_DELAY_MS


@given(st.lists(st.integers(0, 3 * 86_400_000 - 1), max_size=200), st.sampled_from([0.0, 0.3]))
def test_parts_of_a_stream_are_in_the_order_of_arrival(times: list[int], disorder: float) -> None:
    calendar = Calendar(1, date(1970, 1, 1), np.arange(4) * 86_400_000)
    arrivals, parts = Arrivals(calendar, "usage", 0, disorder), []
    for day, end in enumerate([*calendar.midnights[1:-1].tolist(), FOR_EVER]):
        mine = [time for time in times if time // 86_400_000 == day]
        parts.append(arrivals.until(pl.DataFrame({"time": mine}, schema={"time": pl.Int64}), day, end))
    made = pl.concat(parts)
    assert sorted(made.unique("id")["time"].to_list()) == sorted(times)
    assert made["arrives"].is_sorted()
    late = made.filter(pl.col("arrives") - pl.col("time") >= GRACE_MS)
    assert sorted(late["id"].to_list()) == sorted(late_of([arrivals])["id"].to_list())
    assert disorder or late.is_empty()
