"""What is on file about the simulated town's people: memberships and profiles."""

import numpy as np
import polars as pl

from pipelines.simulation.arrays import NEVER, Ints, chosen, named, same
from pipelines.simulation.calendar import ZONE, Calendar
from pipelines.simulation.reach import channels_of, zones_of
from pipelines.simulation.town import TARIFFS, Town

REGIONS = ("north", "harbour", "centre", "hills")
INDUSTRIES = ("building", "trade", "care", "food", "software", "transport")
RENEWED_DAYS = 365


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
    """Return `profile` signals: each line's on its first day, and on the day on which it renews its contract."""
    rng = calendar.rng(8)
    count = len(town.subscribers)
    frame = pl.DataFrame(
        {
            "time": calendar.midnights[town.lines.joined],
            "subject_kind": same("subscriber", count),
            "subject": town.subscribers,
            "tariff": named(town.tariff, TARIFFS),
            "contract_end": _contract_days(rng, count),
            "language": named(chosen(rng, (80, 10, 10), count), ("fi", "sv", "en")),
            "region": named(town.cell % len(REGIONS), REGIONS),
            "birth_year": rng.integers(1945, 2008, count),
            "account_type": named((~town.lines.is_consumer).astype(np.int64), ("consumer", "business")),
            "has_business_product": ~town.lines.is_consumer,
            "has_fixed": (town.homeworks < NEVER) | (rng.random(count) < 0.6),
            "zone": zones_of(town, calendar),
            "channels": channels_of(town, calendar),
        }
    )
    day = renewed_days(town, calendar)
    again = pl.Series(np.flatnonzero(day < NEVER))
    renewed = frame[again].with_columns(
        pl.col("contract_end") + RENEWED_DAYS, time=pl.Series(calendar.midnights).gather(day[again])
    )
    return pl.concat([frame, renewed]).with_columns(
        contract_end=(pl.lit(calendar.start) + pl.duration(days="contract_end")).cast(pl.String),
    )


def renewed_days(town: Town, calendar: Calendar) -> Ints:
    """Return of each subscriber the day on which its contract ends and is renewed, NEVER if it is not in these days."""
    end = _contract_days(calendar.rng(8), len(town.subscribers))
    stays = (town.leaves > end) & (town.lines.joined <= end) & (end < len(calendar.days))
    return np.where(stays, end, NEVER)


def group_profiles_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return one `profile` signal a household and a company, on the first day."""
    rng, homes, companies = calendar.rng(22), len(town.households), len(town.companies)
    lines = np.bincount(town.lines.company[~town.lines.is_consumer & (town.lines.joined == 0)], minlength=companies)
    common = {"time": pl.lit(calendar.midnights[0]), "zone": pl.lit(ZONE)}
    households = pl.DataFrame({"subject": town.households, "has_business_product": [False] * homes})
    smes = pl.DataFrame(
        {
            "subject": town.companies,
            "has_business_product": [True] * companies,
            "industry": named(rng.integers(len(INDUSTRIES), size=companies), INDUSTRIES).cast(pl.String),
            "employees": lines + rng.integers(0, 5, companies),
        }
    )
    groups = {"household": households, "sme": smes}
    frames = [frame.with_columns(**common, subject_kind=pl.lit(kind)) for kind, frame in groups.items()]
    return pl.concat(frames, how="diagonal")


def _contract_days(rng: np.random.Generator, count: int) -> Ints:
    return rng.integers(5, 700, count)
