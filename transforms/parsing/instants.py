"""Functions that sources.yaml has beside those of the playbook: raw times to milliseconds since the epoch."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from transforms.context.plan.sql.functions import FUNCTIONS as PLAYBOOK_FUNCTIONS
from transforms.context.plan.sql.functions import Function
from transforms.context.plan.sql.values import INT

_OFFSET = r"(?:[Zz]|[+-]\d\d:?\d\d)$"


def _rounded(x: pl.Expr) -> pl.Expr:
    return x.round(0).cast(INT, strict=False)


def from_iso(text: pl.Expr) -> pl.Expr:
    """Return RFC 3339 as milliseconds, else null; without an offset it is UTC, a date alone its midnight."""
    dated = text.str.replace(r"^(\d{4}-\d\d-\d\d)$", "${1}T00:00:00")
    spaced = dated.str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T").str.to_uppercase()
    zoned = pl.when(spaced.str.contains(_OFFSET)).then(spaced).otherwise(spaced + "Z")
    instant = zoned.str.to_datetime("%+", time_unit="ms", time_zone="UTC", strict=False)
    return instant.dt.epoch("ms")


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
