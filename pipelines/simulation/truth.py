"""The truth about the simulated town: who is what, and from when."""

import polars as pl

from pipelines.simulation.acceptance import acceptance_of, traits_of
from pipelines.simulation.arrays import INSTANT, Ints, named
from pipelines.simulation.calendar import Calendar
from pipelines.simulation.erasures import erased_days
from pipelines.simulation.habits import orders_of
from pipelines.simulation.moves import moves_of
from pipelines.simulation.reach import consents_of
from pipelines.simulation.standing import renewed_days
from pipelines.simulation.town import Town
from pipelines.simulation.travel import trips_of
from pipelines.simulation.visitors import visitors_of


def truth_of(town: Town, calendar: Calendar) -> dict[str, pl.DataFrame]:
    """Return what no signal says outright, a table for each kind of group, subscribers, moves, visitors, orders.

    A subscriber's household is its first; a household is unseen from when one of those who earn a living there objects
    to profiling, or is erased; an order is abandoned if nothing follows its start. Columns that end in
    `_from` hold the first instant at which it is so, null where it never is; `_until` the first at which it is no
    longer so. `traits` and `acceptance` hold what people would say to offers: `pipelines.simulation.acceptance`.
    """
    subscribers = _subscribers(town, calendar)
    earners = pl.any_horizontal(pl.col("homeworker_from", "nanobusiness_from").is_not_null())
    unseen = pl.when(earners).then(pl.min_horizontal("erased_from", "objects_from"))
    told = ("homeworker_from", "homeworker_until", "nanobusiness_from", "fibre_curious_from")
    consumers = subscribers.filter(pl.col("sme").is_null())
    smes = _smes(town, calendar, subscribers)
    return {
        "subscribers": subscribers,
        "households": consumers.group_by("household")
        .agg(pl.len().alias("lines"), pl.col(told).min(), unseen_from=unseen.min())
        .sort("household"),
        "smes": smes,
        "moves": moves_of(town, calendar),
        "visitors": visitors_of(town, calendar),
        "orders": _orders(town, calendar),
        "traits": traits_of(subscribers, smes, pl.DataFrame({"subscriber": town.subscribers, "eager": town.eager})),
        "acceptance": acceptance_of(),
    }


def _subscribers(town: Town, calendar: Calendar) -> pl.DataFrame:
    away, back = trips_of(town, calendar)
    consents = consents_of(town, calendar).filter(purpose="profiling", state="withdrawn")
    objects = consents.select(
        pl.col("subject").cast(pl.String).alias("subscriber"), objects_from=pl.col("time").cast(INSTANT)
    )
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
            "travelling_from": _instants(calendar, away),
            "travelling_until": _instants(calendar, back),
            "renewed_from": _instants(calendar, renewed_days(town, calendar)),
            "erased_from": _instants(calendar, erased_days(town, calendar)),
        }
    )
    return subscribers.join(objects, "subscriber", "left").sort("subscriber")


def _smes(town: Town, calendar: Calendar, subscribers: pl.DataFrame) -> pl.DataFrame:
    companies = pl.DataFrame({"sme": town.companies, "growing_from": _instants(calendar, town.lines.grows)})
    lines = (
        subscribers.drop_nulls("sme")
        .group_by("sme")
        .agg(
            lines_first=(pl.col("joined_from") == pl.lit(calendar.midnights[0]).cast(INSTANT)).sum(),
            lines_last=pl.len(),
        )
    )
    return companies.join(lines, on="sme", how="left").sort("sme")


def _orders(town: Town, calendar: Calendar) -> pl.DataFrame:
    """Return each order that was started, and whether anything followed."""
    orders = orders_of(town, calendar)
    started = orders.filter(pl.col("state") == "started")
    ended = orders.filter(pl.col("state") != "started")["order_id"]
    return started.select(
        "order_id",
        pl.col("subject").cast(pl.String).alias("subscriber"),
        pl.col("time").cast(INSTANT).alias("started_from"),
        (~pl.col("order_id").is_in(ended.implode())).alias("abandoned"),
    )


def _instants(calendar: Calendar, day: Ints) -> pl.Series:
    known = pl.Series(day).set(pl.Series(day) >= len(calendar.midnights), None)  # never, or after the town
    return pl.Series(calendar.midnights).gather(known).cast(INSTANT)
