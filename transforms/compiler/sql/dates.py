"""Dates in expressions: how many days are left, as of an instant that moves on a grid, not with the tick."""

import polars as pl

from schemas.durations import DAY
from transforms.compiler.sql.functions import Function
from transforms.compiler.sql.values import INT, ExpressionError

TICK = "the tick"
"""The column of every frame of contexts with the tick of each row, int64 milliseconds; no playbook can name it."""

_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def days_until(zone: str, refresh: int) -> Function:
    """Return the function `DAYS_UNTIL(profile.COLUMN)`: whole days from the local date to that date.

    The local date is that of the last refresh up to the tick, so the result changes on that grid alone: whole days
    (`refresh` in milliseconds) begin at midnight in the time zone, all else at multiples of it in UTC. What is no
    date, as `2026-12-24`, gives NULL; past dates are negative.
    """
    whole = refresh % DAY == 0

    def build(column: pl.Expr) -> pl.Expr:
        if not (column.meta.is_column() and column.meta.output_name().startswith("profile.")):
            raise ExpressionError("`DAYS_UNTIL` takes a date of the profile", "as `profile.contract_end`")
        tick = pl.col(TICK)
        number = day_number(day_of(tick if whole else tick - tick % refresh, zone))
        today = number - number % (refresh // DAY) if whole else number
        return day_number(date_of(column)) - today

    doc = "DAYS_UNTIL(profile.COLUMN): days to the date there, as `2026-12-24`; see `refresh`."
    return Function(("text",), INT, build, doc, partial=True, meaning=_meaning(zone, refresh))


def _meaning(zone: str, refresh: int) -> str:
    """Return what tells apart functions of this name; in UTC a day begins where its multiples do."""
    return f"every {refresh} {'from midnight ' if refresh % DAY == 0 and zone != 'UTC' else ''}in {zone}"


def date_of(text: pl.Expr) -> pl.Expr:
    """Return the date that a text is, as `2026-12-24`; NULL where it is none."""
    return pl.when(text.str.contains(_DATE)).then(text).str.to_date("%Y-%m-%d", strict=False)


def day_number(date: pl.Expr) -> pl.Expr:
    """Return the number of a date, days since 1970."""
    return date.cast(pl.Int32).cast(pl.Int64)


def day_of(instant: pl.Expr, zone: str) -> pl.Expr:
    """Return the latest date that had begun in a time zone; clocks put back over midnight do not bring one back."""
    date = pl.from_epoch(instant, "ms").dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date()
    following = date + pl.duration(days=1)
    return pl.when(first_instant(following, zone) <= instant).then(following).otherwise(date)


def first_instant(date: pl.Expr, zone: str) -> pl.Expr:
    """Return when a date begins in a time zone, milliseconds: at midnight, or where clocks skip that right after."""
    whole = date.cast(pl.Datetime("ms"))
    local = [
        (whole + pl.duration(hours=hours)).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        for hours in (0, 1, 24)
    ]
    return pl.coalesce(local).dt.epoch("ms")
