"""What happens to the simulated town's households and companies."""

import numpy as np
import polars as pl

from pipelines.simulation.arrays import Floats, named, same
from pipelines.simulation.calendar import Calendar, occurrences
from pipelines.simulation.town import Town

GOOD_NEWS = ("hiring", "funding", "opening")
ANY_NEWS = ("event", "award", "hiring", "closing")
HOUSEHOLD_EVENTS = ("new_device", "renovation", "birth", "school_start")
SME_EVENTS = ("equipment", "new_site")


def news_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `news` signals about companies: those that grow make good ones, all make some."""
    growing = calendar.days >= town.lines.grows[:, None]
    frames = [
        _happenings(calendar, 10, town.companies, np.where(growing, 0.07, 0.0), GOOD_NEWS),
        _happenings(calendar, 11, town.companies, np.full(growing.shape, 0.01), ANY_NEWS),
    ]
    told = pl.concat(frames).rename({"kind": "topic"})
    return told.with_columns(
        headline=pl.format("(simulated) {}: {}", "subject", "topic"), publisher=pl.lit("sim-gazette")
    )


def household_events_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `household_event` signals, a few a year each."""
    rate = np.full((len(town.households), len(calendar.days)), 0.01)
    return _happenings(calendar, 12, town.households, rate, HOUSEHOLD_EVENTS)


def sme_events_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `sme_event` signals: each line that comes later is a new employee's; a few others."""
    rng = calendar.rng(13)
    hired = np.flatnonzero((~town.lines.is_consumer) & (town.lines.joined > 0))
    new = pl.DataFrame(
        {
            "time": calendar.instants(rng, town.lines.joined[hired], "office"),
            "subject": named(town.lines.company[hired], town.companies).cast(pl.String),
            "kind": same("new_employee", len(hired)),
        }
    )
    rate = np.full((len(town.companies), len(calendar.days)), 0.015)
    return pl.concat([new, _happenings(calendar, 14, town.companies, rate, SME_EVENTS)])


def _happenings(
    calendar: Calendar, purpose: int, names: tuple[str, ...], rate: Floats, kinds: tuple[str, ...]
) -> pl.DataFrame:
    """Return signals about groups for mean numbers (groups, days), of an evenly drawn kind each."""
    rng = calendar.rng(purpose)
    group, day = occurrences(rng, rate)
    return pl.DataFrame(
        {
            "time": calendar.instants(rng, day, "office"),
            "subject": named(group, names).cast(pl.String),
            "kind": named(rng.integers(len(kinds), size=len(group)), kinds).cast(pl.String),
        }
    )
