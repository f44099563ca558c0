"""The truth about the simulated town: who is what, and from when."""

import polars as pl

from pipelines.simulation.arrays import NEVER, Ints, named
from pipelines.simulation.calendar import Calendar
from pipelines.simulation.town import Town

INSTANT = pl.Datetime("ms", "UTC")


def truth_of(town: Town, calendar: Calendar) -> dict[str, pl.DataFrame]:
    """Return what no signal says, a table each for subscribers, households and companies.

    Columns that end in `_from` hold the first instant at which it is so, null where it never is; `_until` the first at
    which it is no longer so.
    """
    subscribers = pl.DataFrame(
        {
            "subscriber": town.subscribers,
            "household": named(town.lines.household, town.households).cast(pl.String),
            "sme": named(town.lines.company, town.companies).cast(pl.String),
            "joined_from": _instants(calendar, town.lines.joined),
            "homeworker_from": _instants(calendar, town.homeworks),
            "homeworker_until": _instants(calendar, town.homeworks_no_more),
            "nanobusiness_from": _instants(calendar, town.sells),
            "leaving_from": _instants(calendar, town.leaves),
            "fibre_curious_from": _instants(calendar, town.curious),
        }
    ).sort("subscriber")
    told = ("homeworker_from", "homeworker_until", "nanobusiness_from", "fibre_curious_from")
    consumers = subscribers.filter(pl.col("sme").is_null())
    companies = pl.DataFrame({"sme": town.companies, "growing_from": _instants(calendar, town.lines.grows)})
    lines = (
        subscribers.drop_nulls("sme")
        .group_by("sme")
        .agg(
            lines_first=(pl.col("joined_from") == pl.lit(calendar.midnights[0]).cast(INSTANT)).sum(),
            lines_last=pl.len(),
        )
    )
    return {
        "subscribers": subscribers,
        "households": consumers.group_by("household")
        .agg(pl.len().alias("lines"), pl.col(told).min())
        .sort("household"),
        "smes": companies.join(lines, on="sme", how="left").sort("sme"),
    }


def _instants(calendar: Calendar, day: Ints) -> pl.Series:
    known = pl.Series(day).set(pl.Series(day) >= NEVER, None)
    return pl.Series(calendar.midnights).gather(known).cast(INSTANT)
