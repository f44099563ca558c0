"""How the simulated town's people may be reached: their channels, their time zones, what they consent to."""

import numpy as np
import polars as pl

from pipelines.simulation.arrays import Bools, chosen, named, same
from pipelines.simulation.calendar import DAY_MS, ZONE, Calendar
from pipelines.simulation.town import Town

CHANNELS = (("app", 0.9), ("push", 0.6), ("sms", 0.95), ("email", 0.85), ("call_centre", 0.92))
"""Channel, and how many have it; owners of companies have an account manager, too."""

UNTOLD = 0.03
"""Share of those of whom no channels are on file: whatever is sent may reach them."""

ZONES = (ZONE, "Europe/Stockholm", "Europe/London", "America/New_York", "Asia/Tokyo", "Helsinki", "local time")
WEIGHTS = (970, 10, 7, 5, 4, 2, 2)
"""How often each is on file, in a thousand; the last two are no time zones, as people type them."""

WISHES = (
    ("marketing", "app", 0.7, 0.1),
    ("marketing", "sms", 0.7, 0.1),
    ("marketing", "email", 0.7, 0.1),
    ("marketing", "call_centre", 0.5, 0.3),
    ("profiling", None, 0.85, 0.0),
    ("marketing", "push", 0.6, 0.1),
    ("marketing", None, 0.4, 0.05),
    ("care", None, 0.9, 0.0),
    ("service", None, 0.95, 0.0),
)
"""Purpose, channel (None: all), how many grant it, and how many of these for some weeks only."""

WITHDRAWN = 0.03
SHORTEST, LONGEST = 7, 70
"""Days for which a consent is granted that lapses."""


def channels_of(town: Town, calendar: Calendar) -> pl.Series:
    """Return of each subscriber the channels that reach it, apart by spaces; null where they are not on file."""
    rng, count = calendar.rng(23), len(town.subscribers)
    has: list[tuple[str, Bools]] = [(name, rng.random(count) < share) for name, share in CHANNELS]
    has.append(("account_manager", town.lines.is_owner))
    names = [named(theirs.astype(np.int64) - 1, (name,)).cast(pl.String).alias(name) for name, theirs in has]
    told = pl.Series(rng.random(count) >= UNTOLD)
    joined = pl.select(pl.concat_str(names, separator=" ", ignore_nulls=True)).to_series()
    return joined.set(~told, None)


def zones_of(town: Town, calendar: Calendar) -> pl.Series:
    """Return of each subscriber the time zone on file: the town's for most, another for some, a mistake for a few."""
    return named(chosen(calendar.rng(24), WEIGHTS, len(town.subscribers)), ZONES).cast(pl.String)


def consents_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `consent` signals: what each line granted at first, until when, and what some withdrew."""
    return pl.concat([_consent(town, calendar, number) for number in range(len(WISHES))], how="diagonal")


def _consent(town: Town, calendar: Calendar, number: int) -> pl.DataFrame:
    rng, (purpose, channel, share, lapsing) = calendar.rng(9, number), WISHES[number]
    granted = np.flatnonzero(rng.random(len(town.subscribers)) < share)
    withdrawn = granted[rng.random(len(granted)) < WITHDRAWN]
    day = rng.integers(town.lines.joined[withdrawn], len(calendar.days))
    since = calendar.midnights[town.lines.joined[granted]]
    ends = since + rng.integers(SHORTEST, LONGEST + 1, len(granted)) * DAY_MS
    lapses = pl.Series(rng.random(len(granted)) < lapsing)
    states = (("granted", granted, since), ("withdrawn", withdrawn, calendar.instants(rng, day, "evening")))
    frames = [
        pl.DataFrame(
            {
                "time": time,
                "subject": named(who, town.subscribers),
                "purpose": same(purpose, len(who)),
                "channel": same(channel, len(who)),
                "state": same(state, len(who)),
            }
        )
        for state, who, time in states
    ]
    frames[0] = frames[0].with_columns(valid_until=pl.Series(ends).set(~lapses, None))
    return pl.concat(frames, how="diagonal")
