"""Values, instants and tables as people read them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]


def dotted(values: Row) -> Iterator[tuple[str, Any]]:
    """Yield names and values, those of a struct under its name and a dot."""
    for name, value in values.items():
        inner = value.items() if isinstance(value, dict) else []
        yield from ((f"{name}.{key}", each) for key, each in inner)
        yield from [] if inner else [(name, value)]


def plain(value: Any) -> Any:
    """Return a value with instants as RFC 3339."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z") if isinstance(value, datetime) else value


def instant_of(tick: str) -> datetime:
    """Return RFC 3339 as an instant."""
    return datetime.fromisoformat(tick)


def shown(value: Any) -> str:
    """Return a value with all its digits: those that decide may be the last."""
    return "NULL" if value is None else f"{value:,}".removesuffix(".0") if isinstance(value, float) else str(value)


def pairs(values: Iterable[tuple[str, Any]]) -> str:
    """Return names and their values in a line."""
    return ", ".join(f"{name} = {shown(value)}" for name, value in values)


def money(micros: int | None) -> str:
    """Return millionths as the number that they are."""
    return shown(None if micros is None else micros / 1e6)


def moment(tick: str) -> str:
    """Return an instant, RFC 3339 in UTC, as `2026-03-02 11:01`, with its seconds where there are any."""
    text = tick.removesuffix("Z").removesuffix(".000").replace("T", " ")
    return text.removesuffix(":00") if text.count(":") == 2 else text


def aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield rows as lines, each column to the left under another."""
    table = [*rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
