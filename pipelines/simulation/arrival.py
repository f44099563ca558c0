"""How the simulated town's signals arrive: a little late, out of order, some of them twice; some far too late."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from pipelines.simulation.arrays import INSTANT
from pipelines.simulation.calendar import Calendar

SOURCE = "simulated"
USUAL_DELAY_MS = 2_000
WORST_DELAY_MS = 110_000
SLOW_SHARE = 0.03
DUPLICATE_SHARE = 0.003
GRACE_MS = 120_000
LATEST_MS = 30 * 3_600_000
"""The worst delay of a signal in disorder: some come later than a day."""

FOR_EVER = 2**62
"""An end that nothing arrives after."""


def arrived(rng: np.random.Generator, signals: pl.DataFrame, prefix: str, first: int) -> pl.DataFrame:
    """Return the signals in the order of arrival, with `id`, `source`, `arrives`; nothing comes two minutes late.

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
    by_arrival = np.argsort(at, kind="stable")
    order = rows[by_arrival]
    number = pl.Series(order + 1_000_000_000 + first)
    return signals[order].with_columns(
        id=pl.select(pl.format("sim-{}{}", pl.lit(prefix), number)).to_series(),
        source=pl.lit(SOURCE),
        arrives=pl.Series(at[by_arrival].astype(np.int64)),
    )


def disordered(rng: np.random.Generator, signals: pl.DataFrame, share: float) -> pl.DataFrame:
    """Return what has arrived with a share of it later than grace, up to 30 hours, and another share twice."""
    late, twice = (pl.Series(rng.random(len(signals)) < share) for _ in range(2))
    delay = pl.Series(np.exp(rng.uniform(np.log(GRACE_MS), np.log(LATEST_MS), len(signals))).astype(np.int64))
    delayed = signals.with_columns(arrives=pl.col("time") + delay)
    return pl.concat([signals.filter(~late), delayed.filter(late | twice)]).sort("arrives", maintain_order=True)


def late_of(arrivals: Iterable["Arrivals"]) -> pl.DataFrame:
    """Return what came more than two minutes late: a truth table."""
    nothing = pl.DataFrame(schema={"signal": pl.String, "id": pl.String, "time": pl.Int64, "arrives": pl.Int64})
    late = pl.concat([nothing, *(part for one in arrivals for part in one.late)])
    return late.with_columns(pl.col("time", "arrives").cast(INSTANT)).sort("signal", "arrives", "id")


class Arrivals:
    """The signals of one type on their way, part by part.

    Attributes:
        late: What came more than two minutes late, in parts: signal, id, time, when it arrived.
    """

    def __init__(self, calendar: Calendar, signal: str, number: int, disorder: float) -> None:
        """Take the random numbers of the type from its number."""
        self.late: list[pl.DataFrame] = []
        self._calendar, self._signal, self._number, self._disorder = calendar, signal, number, disorder
        self._count, self._held = 0, list[pl.DataFrame]()

    def until(self, signals: pl.DataFrame, day: int, end: int) -> pl.DataFrame:
        """Return what arrives before `end` (ms): of the day's signals, and of those that were still on their way."""
        found = arrived(self._calendar.rng(20, self._number, day), signals, self._signal, self._count)
        self._count += len(found)
        if self._disorder:
            found = disordered(self._calendar.rng(21, self._number, day), found, self._disorder)
            late = found.filter(pl.col("arrives") - pl.col("time") >= GRACE_MS)
            self.late.append(late.select(pl.lit(self._signal).alias("signal"), "id", "time", "arrives"))
        everything = pl.concat([*self._held, found], how="diagonal").sort("arrives", maintain_order=True)
        self._held = [everything.filter(pl.col("arrives") >= end)]
        return everything.filter(pl.col("arrives") < end)
