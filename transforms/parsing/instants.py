"""Functions that sources.yaml has beside those of the playbook: raw times to milliseconds since the epoch."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from transforms.compiler.sql.functions import FUNCTIONS as PLAYBOOK_FUNCTIONS
from transforms.compiler.sql.functions import Function
from transforms.compiler.sql.values import INT

_OFFSET = r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"
_TIME = rf"[Tt ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]+)?{_OFFSET}?"
_INSTANT = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:{_TIME})?$"
_LEAP, _DAY, _SECOND, _MINUTE = ":60", 86_400_000, 1_000, 60_000


def _rounded(x: pl.Expr) -> pl.Expr:
    return x.round(0).cast(INT, strict=False)


def from_iso(text: pl.Expr) -> pl.Expr:
    """Return RFC 3339 as milliseconds, else null; without an offset it is UTC, a date alone its midnight.

    A space may stand for the `T`, and the colon of the offset be left out. A leap second ends a day of UTC.
    """
    return text.map_batches(_milliseconds, return_dtype=INT, is_elementwise=True)


def _milliseconds(text: pl.Series) -> pl.Series:
    exact = text.set(~text.str.contains(_INSTANT).fill_null(False), None)
    date, clock, tail = exact.str.slice(0, 10), exact.str.slice(11, 8), exact.str.slice(19)
    local = (date + " " + clock.set(clock == "", "00:00:00")).str.to_datetime("%F %T", time_unit="ms", strict=False)
    instant = local.dt.epoch("ms") + _fraction(tail) - _offset(tail)
    leap = exact.str.contains(_LEAP, literal=True)
    return instant.set(leap & (instant % _DAY >= _SECOND), None) if leap.any() else instant


def _fraction(tail: pl.Series) -> pl.Series | int:
    """Return the milliseconds that follow the second in what is behind it."""
    if not tail.str.starts_with(".").any():
        return 0
    digits = tail.str.extract(r"^\.([0-9]{1,3})").str.pad_end(3, "0")
    return digits.cast(INT).fill_null(0)


def _offset(tail: pl.Series) -> pl.Series | int:
    """Return the milliseconds by which clocks are ahead of UTC that show what is before it."""
    zone = tail.str.replace(":", "", literal=True).str.tail(5)
    behind = zone.str.starts_with("-")
    if not (behind | zone.str.starts_with("+")).any():
        return 0
    minutes = zone.str.slice(1, 2).cast(INT, strict=False) * 60 + zone.str.slice(3).cast(INT, strict=False)
    ahead = minutes.set(~(behind | zone.str.starts_with("+")), 0) * _MINUTE
    return ahead.zip_with(~behind, -ahead).fill_null(0)


EXTRA: Final[Mapping[str, Function]] = {
    "FROM_EPOCH_S": Function(
        ("double",), INT, lambda x: _rounded(x * 1000), "FROM_EPOCH_S(x): seconds since 1970 UTC.", partial=True
    ),
    "FROM_EPOCH_MS": Function(("double",), INT, _rounded, "FROM_EPOCH_MS(x): milliseconds since 1970.", partial=True),
    "FROM_ISO": Function(
        ("text",), INT, from_iso, "FROM_ISO(s): `2026-01-05T06:05:00Z`; UTC without an offset.", partial=True
    ),
}
FUNCTIONS: Final[Mapping[str, Function]] = {**PLAYBOOK_FUNCTIONS, **EXTRA}
