"""When what drifts by time alone is looked at: whole days from local midnight, all else from 1970 UTC on."""

from typing import NamedTuple

import numpy as np
import polars as pl

from schemas.durations import DAY
from transforms.arrays.dtypes import Ints
from transforms.compiler.sql.dates import first_instant


class Refreshes(NamedTuple):
    """A grid of instants, each with a number.

    Attributes:
        every: Their distance, milliseconds; whole days are days of the calendar.
        zone: The time zone in which these begin.
    """

    every: int
    zone: str = "UTC"

    @property
    def local(self) -> bool:
        """Whether the grid is of local days, which are not all of one length."""
        return self.every % DAY == 0 and self.zone != "UTC"

    def number(self, times: Ints) -> Ints:
        """Return the number of the last refresh up to each time."""
        if not self.local:
            return times // self.every
        first = int(times.min(initial=0)) // DAY - 2
        midnights = _midnights(np.arange(first, int(times.max(initial=0)) // DAY + 3), self.zone)
        return (first - 1 + np.searchsorted(midnights, times, "right")) // (self.every // DAY)

    def begin(self, numbers: Ints) -> Ints:
        """Return the instant of each refresh."""
        return _midnights(numbers * (self.every // DAY), self.zone) if self.local else numbers * self.every

    def floor(self, times: Ints) -> Ints:
        """Return the last refresh up to each time."""
        return self.begin(self.number(times))

    def since_day(self, days: Ints) -> Ints:
        """Return the first refresh at which each day, counted from 1970, has begun in the time zone."""
        if self.every % DAY == 0:
            return _midnights(-(-days // (self.every // DAY)) * (self.every // DAY), self.zone)
        return -(-_midnights(days, self.zone) // self.every) * self.every


def _midnights(days: Ints, zone: str) -> Ints:
    """Return when days, counted from 1970, begin in a time zone."""
    dates = pl.DataFrame({"day": days.astype(np.int32)}).select(first_instant(pl.col("day").cast(pl.Date), zone))
    return dates.to_series().to_numpy()
