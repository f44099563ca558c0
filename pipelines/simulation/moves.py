"""Who moves out in the simulated town: teenagers into a household of their own."""

import numpy as np
import polars as pl

from pipelines.simulation.arrays import INSTANT, Ints, days_between, named, numbered, same
from pipelines.simulation.calendar import Calendar
from pipelines.simulation.town import Town

SHARE = 0.15
"""Of the lines that are not the first of a household of three or more."""


def moves_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return who moves when, and from which household to which: a truth table; the new ones are numbered on."""
    who, day = _movers(town, calendar)
    homes = numbered("h", len(town.households) + len(who))
    return pl.DataFrame(
        {
            "subscriber": named(who, town.subscribers).cast(pl.String),
            "household_before": named(town.lines.household[who], homes).cast(pl.String),
            "household": pl.Series(homes[len(town.households) :], dtype=pl.String),
            "moved_from": pl.Series(calendar.instants(calendar.rng(15, 1), day, "leisure")).cast(INSTANT),
        }
    )


def changes_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return the `membership` signals of moves: the one left, then, at the same instant, the other joined."""
    moves = moves_of(town, calendar)
    common = {
        "time": moves["moved_from"].to_physical(),
        "subject": moves["subscriber"],
        "group_kind": same("household", len(moves)),
    }
    left = pl.DataFrame({**common, "group": moves["household_before"], "state": same("left", len(moves))})
    joined = {"group": moves["household"], "state": same("joined", len(moves)), "role": same("primary", len(moves))}
    return pl.concat([left, pl.DataFrame({**common, **joined})], how="diagonal")


def _movers(town: Town, calendar: Calendar) -> tuple[Ints, Ints]:
    """Return positions of those who move, and their days."""
    rng, home = calendar.rng(15), town.lines.household
    size = np.bincount(home[home >= 0], minlength=len(town.households))
    may = town.lines.is_consumer & ~town.lines.is_primary & (size[home] >= 3)
    who = np.flatnonzero(may & (rng.random(len(home)) < SHARE))
    return who, days_between(rng, 0.2, 0.8, len(calendar.days), len(who))
