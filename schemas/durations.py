"""Lengths of time and instants as people write them: `90s`, `2h`, `2026-12-01T00:00:00+02:00`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
PATTERN = r"^[0-9]{1,9}[smhdw]$"
_LONGEST = 3_660 * DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def parse_duration(value: Any) -> int:
    """Return the milliseconds of `90s`, `5m`, `2h`, `3d` or `1w`.

    Raises:
        ValueError: not a number and a unit, or longer than ten years.
    """
    if not isinstance(value, str) or not re.fullmatch(PATTERN, value):
        raise ValueError(f"must be a number and a unit, as `90s`, `5m`, `2h`, `3d` or `1w`, not {_shown(value)}")
    milliseconds = int(value[:-1]) * _UNITS[value[-1]]
    if milliseconds > _LONGEST:
        raise ValueError(f"must not be longer than {format_duration(_LONGEST)}, as `{value}` is")
    return milliseconds


def format_duration(milliseconds: int) -> str:
    """Return the shortest exact form in one unit up to days, as `90s` or `28d`; milliseconds if seconds do not do."""
    for unit in "dhms":
        if milliseconds % _UNITS[unit] == 0 and (milliseconds or unit == "s"):
            return f"{milliseconds // _UNITS[unit]}{unit}"
    return f"{milliseconds}ms"


def parse_instant(value: Any) -> int:
    """Return an RFC 3339 date and time with its offset from UTC as milliseconds since the epoch.

    Raises:
        ValueError: not a date and time, without an offset, outside the years 1 to 9999, or finer than a millisecond.
    """
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError(f"must be a date and time with an offset, as `2026-12-01T00:00:00+02:00`, not {_shown(value)}")
    if not _SHOWN[0] <= instant <= _SHOWN[1]:
        raise ValueError(f"must be within the years 1 to 9999 of UTC, not {_shown(value)}")
    milliseconds, rest = divmod(instant - _EPOCH, timedelta(milliseconds=1))
    if rest:
        raise ValueError("must not be finer than a millisecond")
    return milliseconds


def _shown(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str | int | float) else "this"


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["90s", "5m", "2h", "3d", "1w"]}),
]
"""Milliseconds in the model; a number and a unit in the file."""

Instant = Annotated[int, BeforeValidator(parse_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
"""Milliseconds since the epoch in the model; RFC 3339 with an offset in the file."""
