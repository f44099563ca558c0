"""Who asks to be forgotten in the simulated town."""

import numpy as np
import polars as pl

from pipelines.simulation.arrays import NEVER, Ints, days_between, ids, named
from pipelines.simulation.calendar import Calendar
from pipelines.simulation.town import Town

SHARE = 0.01


def erased_days(town: Town, calendar: Calendar) -> Ints:
    """Return of each subscriber the day on which it asks, NEVER for most; the line is used on."""
    rng, count = calendar.rng(19), len(town.subscribers)
    asks = rng.random(count) < SHARE
    return np.where(asks, days_between(rng, 0.4, 0.9, len(calendar.days), count), NEVER)


def erasures_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `erasure` signals, at the local midnight of the day."""
    day = erased_days(town, calendar)
    who = np.flatnonzero(day < NEVER)
    return pl.DataFrame(
        {
            "time": calendar.midnights[day[who]],
            "subject": named(who, town.subscribers),
            "reference": ids("request", len(who)),
        }
    )
