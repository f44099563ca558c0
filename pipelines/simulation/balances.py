"""One day's data buckets in the simulated town: how they run down, are topped up and renewed."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.simulation.arrays import Bools, Floats, Ints, ids, named, same
from pipelines.simulation.calendar import MINUTE_MS, Calendar
from pipelines.simulation.town import PLAN_MB, Town

PERIOD_DAYS = 28
STEP_MB = 100.0
TOPUP_MB = 5_000.0


@dataclass(frozen=True)
class Balances:
    """What a day did to the buckets.

    Attributes:
        left_mb: Of each subscriber at the end of the day; infinite without a bucket.
        signals: `balance` signals.
        orders: `order` signals of the top-ups.
    """

    left_mb: Floats
    signals: pl.DataFrame
    orders: pl.DataFrame


def first_buckets(town: Town, calendar: Calendar) -> Floats:
    """Return the MB left in each bucket when the town begins: people are at all points of their period."""
    return PLAN_MB[town.tariff] * calendar.rng(3).uniform(0.05, 1, len(town.tariff))


def balances_of(town: Town, calendar: Calendar, day: int, left_mb: Floats, usage: pl.DataFrame) -> Balances:
    """Return how the day's mobile data changed the buckets; a signal at each step of 100 MB, at top-ups and renewals.

    Args:
        town: Whose buckets they are.
        calendar: Of the town.
        day: Counted from the town's first.
        left_mb: What is left in each bucket at midnight.
        usage: The day's, with `who`, `time`, `mb` and `network`.
    """
    rng = calendar.rng(4, day)
    left_mb, renewed = _renew(town, day, left_mb)
    who, time, mb = _metered(usage, left_mb)
    first, last = np.diff(who, prepend=-1) != 0, np.diff(who, append=-1) != 0
    left, topups = _run_down(town, left_mb, who, first, mb)
    before = np.where(first, left_mb[who], np.roll(left, 1))
    topped = topups > np.where(first, 0, np.roll(topups, 1))
    seen = (left // STEP_MB != before // STEP_MB) & ~topped
    left_mb[who[last]] = left[last]
    buyer, bought_at = who[topped], time[topped] + rng.integers(MINUTE_MS, 10 * MINUTE_MS, int(topped.sum()))
    renewed_at = calendar.midnights[day] + rng.integers(MINUTE_MS, 30 * MINUTE_MS, len(renewed))
    signals = [
        _balance(town, who[seen], time[seen], left[seen]),
        _balance(town, buyer, time[topped], np.zeros(len(buyer))),
        _balance(town, buyer, bought_at, left[topped]),
        _balance(town, renewed, renewed_at, PLAN_MB[town.tariff[renewed]]),
    ]
    return Balances(left_mb, pl.concat(signals), _orders(town, buyer, bought_at, day))


def _renew(town: Town, day: int, left_mb: Floats) -> tuple[Floats, Ints]:
    """Return the buckets after the day's renewals, and whose they were."""
    due = (np.arange(len(left_mb)) - day) % PERIOD_DAYS == 0
    plan = PLAN_MB[town.tariff]
    return np.where(due, plan, left_mb), np.flatnonzero(due & np.isfinite(plan) & (town.lines.joined <= day))


def _metered(usage: pl.DataFrame, left_mb: Floats) -> tuple[Ints, Ints, Floats]:
    """Return who, time and MB of the data that counts, by person and time."""
    who, time, mb = (usage[name].to_numpy() for name in ("who", "time", "mb"))
    rows = np.flatnonzero((usage["network"] == "mobile").to_numpy() & ~np.isnan(mb) & np.isfinite(left_mb[who]))
    rows = rows[np.lexsort((time[rows], who[rows]))]
    return who[rows], time[rows], mb[rows]


def _run_down(town: Town, left_mb: Floats, who: Ints, first: Bools, mb: Floats) -> tuple[Floats, Ints]:
    """Return what is left after each session, and how many top-ups the day has seen by then."""
    spent = np.cumsum(mb)
    spent -= np.maximum.accumulate(np.where(first, spent - mb, 0.0))
    left = left_mb[who] - spent
    topups = np.where(town.eager[who], np.ceil(np.maximum(-left, 0) / TOPUP_MB), 0).astype(np.int64)
    return np.maximum(left + topups * TOPUP_MB, 0), topups


def _balance(town: Town, who: Ints, time: Ints, left_mb: Floats) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time": time,
            "subject": named(who, town.subscribers),
            "bucket": same("data", len(who)),
            "remaining_mb": np.round(left_mb, 2),
            "limit_mb": PLAN_MB[town.tariff[who]],
        }
    )


def _orders(town: Town, who: Ints, time: Ints, day: int) -> pl.DataFrame:
    count = len(who)
    return pl.DataFrame(
        {
            "time": time,
            "subject": named(who, town.subscribers),
            "order_id": ids(f"topup-{day}", count),
            "product": same("topup_5gb", count),
            "family": same("data", count),
            "state": same("completed", count),
            "amount": same(4.0, count),
            "quantity": same(1.0, count),
        }
    )
