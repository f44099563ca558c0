"""What the simulated town's people do now and then, over the whole time: care tickets, orders, web visits."""

import numpy as np
import polars as pl

from pipelines.simulation.arrays import Bools, Floats, Ints, chosen, ids, named, same
from pipelines.simulation.calendar import MINUTE_MS, Calendar, occurrences
from pipelines.simulation.town import Town
from pipelines.simulation.usage import FAULT_DAYS

TOPICS = ("network", "billing", "device", "other")
PRODUCTS = (
    ("device", "device", 320.0),
    ("roaming_pack", "roaming", 12.0),
    ("tv_pack", "tv", 9.0),
    ("insurance", "device", 6.0),
)
PAGES = ("home", "bill", "support", "device", "fibre_info", "fibre_check", "porting", "cancel", "notice")
LOOKING = (50, 20, 15, 15, 0.5, 0.3, 0.1, 0.1, 0.1)
CURIOUS = (10, 0, 0, 0, 60, 30, 0, 0, 0)
LEAVING = (10, 0, 0, 0, 0, 0, 40, 35, 15)


def tickets_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `ticket` signals: opened, then closed; more of leavers and on faulty cells, slower for leavers."""
    rng = calendar.rng(5)
    leaving = _within(calendar, town.leaves - 10, 20)
    dropped = _within(calendar, town.faulty, FAULT_DAYS)[town.cell]
    who, day = _occur(rng, town, calendar, 0.004 + 0.06 * leaving + 0.02 * dropped)
    opened = calendar.instants(rng, day, "shop")
    minutes = (20 + np.where(leaving[who, day], 4_000, 500) * rng.lognormal(0, 0.7, len(who))).astype(np.int64)
    common = {
        "subject": named(who, town.subscribers),
        "ticket_id": ids("ticket", len(who)),
        "severity": pl.Series(1 + chosen(rng, (5, 15, 50, 30), len(who))),
        "topic": named(np.where(dropped[who, day], 0, chosen(rng, (30, 30, 20, 20), len(who))), TOPICS),
    }
    closing = {"state": same("closed", len(who)), "minutes_open": minutes}
    start = pl.DataFrame({"time": opened, **common, "state": same("open", len(who))})
    return pl.concat([start, pl.DataFrame({"time": opened + minutes * MINUTE_MS, **common, **closing})], how="diagonal")


def orders_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `order` signals: started, then soon completed or cancelled; a quarter is abandoned."""
    rng = calendar.rng(6)
    who, day = _occur(rng, town, calendar, np.full((len(town.subscribers), len(calendar.days)), 0.02))
    started = calendar.instants(rng, day, "evening")
    product = chosen(rng, (20, 30, 30, 20), len(who))
    common = {
        "subject": named(who, town.subscribers),
        "order_id": ids("order", len(who)),
        "product": named(product, [name for name, _, _ in PRODUCTS]).cast(pl.String),
        "family": pl.Series([family for _, family, _ in PRODUCTS]).gather(product),
        "amount": pl.Series([amount for _, _, amount in PRODUCTS]).gather(product),
        "quantity": same(1.0, len(who)),
    }
    ended = started + (MINUTE_MS * (1 + rng.exponential(6, len(who)))).astype(np.int64)
    outcome = named(chosen(rng, (68, 7, 25), len(who)), ("completed", "cancelled", "abandoned")).cast(pl.String)
    begun = pl.DataFrame({"time": started, **common, "state": same("started", len(who))})
    done = pl.DataFrame({"time": ended, **common, "state": outcome}).filter(pl.col("state") != "abandoned")
    return pl.concat([begun, done])


def visits_of(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return `web` signals: a little looking by all, fibre pages by the curious, the way out by those who leave."""
    kinds = (
        (LOOKING, np.full((len(town.subscribers), len(calendar.days)), 0.12)),
        (CURIOUS, 0.8 * _within(calendar, town.curious, 8)),
        (LEAVING, 0.35 * _within(calendar, town.leaves - 4, 18)),
    )
    return pl.concat([_visits(town, calendar, number, *kind) for number, kind in enumerate(kinds)])


def _visits(town: Town, calendar: Calendar, number: int, weights: tuple[float, ...], rate: Floats) -> pl.DataFrame:
    rng = calendar.rng(7, number)
    who, day = _occur(rng, town, calendar, rate)
    return pl.DataFrame(
        {
            "time": calendar.instants(rng, day, "evening"),
            "subject": named(who, town.subscribers),
            "page": named(chosen(rng, weights, len(who)), PAGES),
        }
    )


def _occur(rng: np.random.Generator, town: Town, calendar: Calendar, rate: Floats) -> tuple[Ints, Ints]:
    """Return who does it on which day, for mean numbers (subscribers, days); nobody before the line exists."""
    return occurrences(rng, rate * (town.lines.joined[:, None] <= calendar.days))


def _within(calendar: Calendar, first: Ints, length: int) -> Bools:
    """Return (people, days): whether the day is one of the `length` days from the first."""
    since = calendar.days - first[:, None]
    return (since >= 0) & (since < length)
