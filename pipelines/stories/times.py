"""Times of stories: `10:00`, `10:00:20`, `10:00:20.001`, or a date and one of these; always UTC."""

import re
from datetime import UTC, datetime
from typing import Any

HINT = "times are UTC, as `10:00`, `10:00:20` or `2026-01-06 10:00`"
_TIME = r"(?:(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[ T])?(?P<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,3})?)?)Z?"
_WHOLE = re.compile(_TIME)
_SENTENCE = re.compile(rf"{_TIME}(?P<rest> .*)", re.DOTALL)


def parse_time(text: Any, day: str) -> int:
    """Return ms of the epoch of a time; one without a date is of `day`.

    Raises:
        ValueError: it is none.
    """
    found = _WHOLE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"`{text}` is no time")
    try:
        told = datetime.fromisoformat(f"{found['date'] or day}T{found['clock']}+00:00")
    except ValueError:
        raise ValueError(f"`{text}` is no time") from None
    return round(told.timestamp() * 1000)


def format_time(time: int | datetime, day: str) -> str:
    """Return an instant as short as it can be told: without the date on `day`, without seconds where they are 0."""
    told = instant(time)
    clock = told.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00").removesuffix(".000")
    return clock.removesuffix(":00").removeprefix(f"{day} ")


def plain_sentence(text: str, day: str) -> str:
    """Return a sentence with its time as `format_time` tells it, however it was written.

    Raises:
        ValueError: it does not begin with a time.
    """
    found = _SENTENCE.fullmatch(text)
    if found is None:
        raise ValueError(f"`{text}` does not begin with a time")
    time = text[: found.start("rest")]
    return format_time(parse_time(time, day), day) + found["rest"]


def instant(time: int | datetime) -> datetime:
    """Return an instant, as Arrow's or as ms of the epoch, in UTC."""
    return datetime.fromtimestamp(time / 1000, UTC) if isinstance(time, int) else time.astimezone(UTC)
