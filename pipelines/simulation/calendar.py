"""When the simulated town lives: its days, its hours, and the random numbers that belong to them."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from pipelines.simulation.arrays import Floats, Ints

ZONE = "Europe/Helsinki"
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000

RHYTHMS = {
    "leisure": (3, 1, 1, 1, 1, 2, 5, 9, 8, 7, 7, 8, 10, 8, 7, 8, 10, 12, 14, 16, 17, 16, 12, 7),
    "office": (0, 0, 0, 0, 0, 0, 1, 4, 16, 20, 20, 16, 8, 18, 20, 18, 12, 4, 1, 0, 0, 0, 0, 0),
    "shop": (0, 0, 0, 0, 0, 0, 0, 0, 4, 10, 14, 14, 12, 12, 12, 12, 14, 14, 10, 4, 2, 1, 0, 0),
    "evening": (2, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 5, 12, 18, 20, 18, 14, 8, 4),
}
"""Weights of the 24 hours of a local day."""


@dataclass(frozen=True)
class Calendar:
    """The town's days.

    Attributes:
        seed: Of the whole simulation.
        start: The first local day.
        midnights: The instants at which the local days begin, ms UTC; the last is the first instant after the town.
    """

    seed: int
    start: date
    midnights: Ints

    @property
    def days(self) -> Ints:
        """The days, counted from 0."""
        return np.arange(len(self.midnights) - 1)

    def weekday(self, day: int) -> int:
        """Return 0 for a Monday."""
        return (self.start.weekday() + day) % 7

    def rng(self, *purpose: int) -> np.random.Generator:
        """Return random numbers that depend on the seed and the purpose alone, whatever else is drawn."""
        return np.random.default_rng([self.seed, *purpose])

    def instants(self, rng: np.random.Generator, day: Ints, rhythm: str) -> Ints:
        """Return an instant on each of the days (ms UTC), distributed over the day by the rhythm."""
        weights = np.cumsum([0.0, *RHYTHMS[rhythm]])
        hours = np.interp(rng.random(len(day)) * weights[-1], weights, np.arange(25.0))
        return self.midnights[day] + (hours * HOUR_MS).astype(np.int64)


def calendar_of(seed: int, start: date, days: int) -> Calendar:
    """Return the calendar of so many local days."""
    dates = [start + timedelta(days=day) for day in range(days + 1)]
    midnights = [datetime.combine(day, time(), ZoneInfo(ZONE)).timestamp() * 1000 for day in dates]
    return Calendar(seed, start, np.array(midnights, np.int64))


def occurrences(rng: np.random.Generator, rate: Floats) -> tuple[Ints, Ints]:
    """Return row and column of each occurrence, for mean numbers of them (rows, columns)."""
    cells = np.repeat(np.arange(rate.size), rng.poisson(rate).ravel())
    return cells // rate.shape[1], cells % rate.shape[1]
