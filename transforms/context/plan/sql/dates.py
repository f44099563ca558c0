"""Dates in expressions: how many days are left, as of an instant that moves on a grid, not with the tick."""

import polars as pl

from transforms.context.plan.sql.functions import Function
from transforms.context.plan.sql.values import INT, ExpressionError

TICK = "the tick"
"""The column of every frame of contexts with the tick of each row, int64 milliseconds; no playbook can name it."""

_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def days_until(zone: str, refresh: int) -> Function:
    """Return the function `DAYS_UNTIL(profile.COLUMN)`: whole days from the local date to that date.

    The local date is that of the last multiple of `refresh` (milliseconds, UTC) up to the tick, in the time zone: so
    the result changes on that grid alone. What is no date, as `2026-12-24`, gives NULL; past dates are negative.
    """

    def build(column: pl.Expr) -> pl.Expr:
        if not (column.meta.is_column() and column.meta.output_name().startswith("profile.")):
            raise ExpressionError("`DAYS_UNTIL` takes a date of the profile", "as `profile.contract_end`")
        instant = pl.from_epoch(pl.col(TICK) - pl.col(TICK) % refresh, "ms").dt.replace_time_zone("UTC")
        return (date_of(column) - instant.dt.convert_time_zone(zone).dt.date()).dt.total_days()

    doc = "DAYS_UNTIL(profile.COLUMN): days to the date there, as `2026-12-24`; see `refresh`."
    return Function(("text",), INT, build, doc, partial=True, meaning=f"every {refresh} in {zone}")


def date_of(text: pl.Expr) -> pl.Expr:
    """Return the date that a text is, as `2026-12-24`; NULL where it is none."""
    return pl.when(text.str.contains(_DATE)).then(text).str.to_date("%Y-%m-%d", strict=False)


def first_instant(date: pl.Expr, zone: str) -> pl.Expr:
    """Return when a date begins in a time zone, milliseconds; an hour past midnight where clocks skip that."""
    whole = date.cast(pl.Datetime("ms"))
    local = [
        when.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        for when in (whole, whole + pl.duration(hours=1))
    ]
    return pl.coalesce(local).dt.epoch("ms")
