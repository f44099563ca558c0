"""What is on file about the simulated town's people: memberships, profiles and consents."""

import numpy as np
import polars as pl

from pipelines.simulation.arrays import NEVER, chosen, named, same
from pipelines.simulation.calendar import ZONE, Calendar
from pipelines.simulation.town import TARIFFS, Town

CHANNELS = ("app", "sms", "email", "call_centre")
REGIONS = ("north", "harbour", "centre", "hills")
WISHES = (*(("marketing", channel, 0.7) for channel in CHANNELS), ("profiling", None, 0.85))


def memberships_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `membership` signals: each line joins its household and its company on its first day."""
    groups = {
        "household": (town.lines.household, town.households, town.lines.is_primary, ("member", "primary")),
        "sme": (town.lines.company, town.companies, town.lines.is_owner, ("employee", "owner")),
    }
    lines = pl.DataFrame({"time": calendar.midnights[town.lines.joined], "subject": town.subscribers})
    frames = [
        lines.with_columns(
            group=named(group, names).cast(pl.String),
            role=named(is_head.astype(np.int64), roles).cast(pl.String),
            group_kind=pl.lit(kind),
            state=pl.lit("joined"),
        )
        for kind, (group, names, is_head, roles) in groups.items()
    ]
    return pl.concat(frames).drop_nulls("group")


def profiles_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return one `profile` signal a line, on its first day."""
    rng = calendar.rng(8)
    count = len(town.subscribers)
    frame = pl.DataFrame(
        {
            "time": calendar.midnights[town.lines.joined],
            "subject": town.subscribers,
            "tariff": named(town.tariff, TARIFFS),
            "contract_end": rng.integers(5, 700, count),
            "language": named(chosen(rng, (80, 10, 10), count), ("fi", "sv", "en")),
            "region": named(town.cell % len(REGIONS), REGIONS),
            "birth_year": rng.integers(1945, 2008, count),
            "account_type": named((~town.lines.is_consumer).astype(np.int64), ("consumer", "business")),
            "has_business_product": ~town.lines.is_consumer,
            "has_fixed": (town.homeworks < NEVER) | (rng.random(count) < 0.6),
        }
    )
    return frame.with_columns(
        contract_end=(pl.lit(calendar.start) + pl.duration(days="contract_end")).cast(pl.String),
        zone=pl.lit(ZONE),
        channels=pl.lit(" ".join(CHANNELS)),
    )


def consents_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `consent` signals: what each line granted at first, marketing by channel, and what some withdrew."""
    return pl.concat([_consent(town, calendar, number) for number in range(len(WISHES))])


def _consent(town: Town, calendar: Calendar, number: int) -> pl.DataFrame:
    rng, (purpose, channel, share) = calendar.rng(9, number), WISHES[number]
    granted = np.flatnonzero(rng.random(len(town.subscribers)) < share)
    withdrawn = granted[rng.random(len(granted)) < 0.03]
    day = rng.integers(town.lines.joined[withdrawn], len(calendar.days))
    states = (
        ("granted", granted, calendar.midnights[town.lines.joined[granted]]),
        ("withdrawn", withdrawn, calendar.instants(rng, day, "evening")),
    )
    return pl.concat(
        [
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
    )
