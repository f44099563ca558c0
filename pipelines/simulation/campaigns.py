"""What others send to the simulated town's people, what comes of it, and when all of it pauses."""

import numpy as np
import polars as pl

from pipelines.simulation.arrays import chosen, named, same
from pipelines.simulation.calendar import HOUR_MS, MINUTE_MS, Calendar, occurrences
from pipelines.simulation.town import Town

CHANNELS = ("email", "sms", "app", "call_centre")
OFFERS = ("spring_device", "tv_month", "insurance_try")
FAMILIES = ("device", "tv", "device")
RESULTS = ("ignored", "declined", "accepted", "complained")
PAUSES = (("channel", "call_centre", 0.3, 24), ("family", "data", 0.5, 24), ("everything", None, 0.7, 2))
"""Scope, target, when (a share of all days), for how many hours."""


def contacts_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `contact` signals of campaigns that no decision of ours made; some fail."""
    sent = _sent(town, calendar)
    return sent.select("time", "subject", "offer", "family", "message", "channel", "state", "reason")


def outcomes_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `outcome` signals: what people did with a third of what reached them."""
    rng, sent = calendar.rng(18, 1), _sent(town, calendar)
    reached = sent.filter((pl.col("state") != "failed") & pl.Series(rng.random(len(sent)) < 0.33))
    count = len(reached)
    return reached.select(
        pl.col("time") + pl.Series((MINUTE_MS + rng.exponential(9 * HOUR_MS, count)).astype(np.int64)),
        "subject",
        "offer",
        "channel",
        result=named(chosen(rng, (60, 25, 13, 2), count), RESULTS).cast(pl.String),
    )


def controls_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `control` signals: an operator pauses a channel, a family, everything, and resumes it."""
    start = [int(calendar.midnights[int(share * len(calendar.days))]) + 10 * HOUR_MS for _, _, share, _ in PAUSES]
    end = [begin + hours * HOUR_MS for begin, (_, _, _, hours) in zip(start, PAUSES, strict=True)]
    frames = [
        pl.DataFrame(
            {
                "time": time,
                "subject": same("*", len(PAUSES)),
                "action": same(action, len(PAUSES)),
                "scope": [scope for scope, _, _, _ in PAUSES],
                "target": [target for _, target, _, _ in PAUSES],
                "reason": same("simulated", len(PAUSES)),
            }
        )
        for action, time in (("pause", start), ("resume", end))
    ]
    return pl.concat(frames)


def _sent(town: Town, calendar: Calendar) -> pl.DataFrame:
    rng = calendar.rng(18)
    joined = town.lines.joined[:, None] <= calendar.days
    who, day = occurrences(rng, np.where(joined, 0.015, 0.0))
    offer, failed = rng.integers(len(OFFERS), size=len(who)), rng.random(len(who)) < 0.05
    return pl.DataFrame(
        {
            "time": calendar.instants(rng, day, "office"),
            "subject": named(who, town.subscribers),
            "offer": named(offer, OFFERS).cast(pl.String),
            "family": pl.Series(FAMILIES).gather(offer),
            "message": same("marketing", len(who)),
            "channel": named(chosen(rng, (50, 25, 15, 10), len(who)), CHANNELS).cast(pl.String),
            "state": named(np.where(failed, 1, 0), ("delivered", "failed")).cast(pl.String),
            "reason": named(np.where(failed, 0, -1), ("unreachable",)).cast(pl.String),
        }
    )
