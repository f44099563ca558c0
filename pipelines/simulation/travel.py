"""Who travels in the simulated town: abroad for some days, on other networks, away from the line at home."""

import numpy as np
import polars as pl

from pipelines.simulation.arrays import NEVER, Ints, days_between
from pipelines.simulation.calendar import Calendar
from pipelines.simulation.town import Town

SHARE = 0.05
LONGEST = 9


def trips_of(town: Town, calendar: Calendar) -> tuple[Ints, Ints]:
    """Return of each subscriber the first day abroad and the first day back, NEVER for most; homeworkers stay."""
    rng, count = calendar.rng(16), len(town.subscribers)
    travels = (rng.random(count) < SHARE) & (town.homeworks == NEVER)
    first = days_between(rng, 0.1, 0.8, len(calendar.days), count)
    back = first + rng.integers(3, LONGEST + 1, count)
    return np.where(travels, first, NEVER), np.where(travels, back, NEVER)


def abroad(trips: tuple[Ints, Ints], usage: pl.DataFrame, day: int) -> pl.DataFrame:
    """Return a day's usage without what travellers did not do at home; the rest of theirs is roaming."""
    away = pl.Series((trips[0] <= day) & (day < trips[1])).gather(usage["who"])
    roaming = usage.with_columns(
        roaming=away, cell=pl.when(away).then(pl.lit("sim-abroad")).otherwise(pl.col("cell").cast(pl.String))
    )
    return roaming.filter(~(away & (usage["network"] == "fixed")))
