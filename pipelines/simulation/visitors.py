"""Who looks around on the web before saying who it is, in the simulated town."""

import numpy as np
import polars as pl

from pipelines.simulation.arrays import INSTANT, Bools, Ints, chosen, days_between, named, numbered, same
from pipelines.simulation.calendar import Calendar, occurrences
from pipelines.simulation.habits import CURIOUS, LOOKING, PAGES
from pipelines.simulation.town import Town

SHARE = 0.08
"""Of the first lines of households; half of them are curious about fibre."""

VISITS = 0.6
"""A day, for twelve days; on the ninth the visitor is identified."""

KNOWN_AFTER, LOOKS = 8, 12


def visitors_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return who each visitor is, and from when it is known: a truth table."""
    who, day = _visitors(town, calendar)
    first = pl.Series(calendar.midnights).gather(np.maximum(day - KNOWN_AFTER, 0))
    return pl.DataFrame(
        {
            "visitor": pl.Series(numbered("v", len(who)), dtype=pl.String),
            "fibre_curious_from": first.set(pl.Series(~_curious(np.arange(len(who)))), None).cast(INSTANT),
            "subscriber": named(who, town.subscribers).cast(pl.String),
            "household": named(town.lines.household[who], town.households).cast(pl.String),
            "identified_from": pl.Series(calendar.instants(calendar.rng(17, 1), day, "evening")).cast(INSTANT),
        }
    )


def identities_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return the `membership` signals that identify visitors: each joins the household that it belongs to."""
    visitors = visitors_of(town, calendar)
    count = len(visitors)
    return pl.DataFrame(
        {
            "time": visitors["identified_from"].to_physical(),
            "subject": visitors["visitor"],
            "group_kind": same("household", count),
            "group": visitors["household"],
            "state": same("joined", count),
            "role": same("member", count),
            "confidence": (90 + calendar.rng(17, 3).integers(11, size=count)) / 100,
        }
    )


def looks_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return the `web` signals of visitors, before and after they are known."""
    who, day = _visitors(town, calendar)
    rng = calendar.rng(17, 2)
    since = calendar.days - (day[:, None] - KNOWN_AFTER)
    visitor, on = occurrences(rng, np.where((since >= 0) & (since < LOOKS), VISITS, 0.0))
    pages = np.where(_curious(visitor), chosen(rng, CURIOUS, len(visitor)), chosen(rng, LOOKING, len(visitor)))
    return pl.DataFrame(
        {
            "time": calendar.instants(rng, on, "evening"),
            "subject": named(visitor, numbered("v", len(who))).cast(pl.String),
            "page": named(pages, PAGES),
            "device": same("browser", len(visitor)),
        }
    )


def _curious(visitor: Ints) -> Bools:
    return visitor % 2 == 1


def _visitors(town: Town, calendar: Calendar) -> tuple[Ints, Ints]:
    """Return positions of the subscribers that visitors are, and the days on which they say so."""
    rng = calendar.rng(17)
    who = np.flatnonzero(town.lines.is_primary & (rng.random(len(town.subscribers)) < SHARE))
    return who, days_between(rng, 0.2, 0.9, len(calendar.days), len(who))
