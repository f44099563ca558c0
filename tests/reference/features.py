"""Features by definition: one value from the raw rows of one subject."""

import datetime
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from zoneinfo import ZoneInfo

from schemas.contracts import contract
from schemas.durations import DAY
from schemas.playbook import Playbook
from schemas.playbook_levels import Feature
from tests.reference.expressions import Value, is_true
from tests.reference.records import Grid, Signal


@dataclass(frozen=True, order=True)
class Observation:
    """What one row adds to one feature; the order is the one of `first` and `last`.

    `member` is whose row it is where the subject is a group, empty for its own.
    """

    time: int
    source: str
    id: str
    member: str
    value: Value


def observed(feature: Feature, row: Signal, playbook: Playbook) -> list[Observation]:
    """Return what a row adds to a feature: nothing where `where` is not TRUE or the column is NULL."""
    scope = row_scope(row, playbook.time_zone)
    if row.signal != feature.from_ or (feature.where and not is_true(feature.where, scope, playbook.let)):
        return []
    value = True if feature.column == "any" else _scaled(scope[feature.column], _scale(feature))
    return [] if value is None else [Observation(row.time, row.source, row.id, row.subscriber or "", value)]


def feature_at(feature: Feature, observations: Sequence[Observation], tick: int, grid: Grid) -> Value:
    """Return one feature at one tick from everything observed so far; a feature without a window looks at all of it."""
    tail, head = (None, tick) if feature.window is None else grid.edges(tick, feature.window, feature.offset or 0)
    inside = sorted(one for one in observations if (tail is None or tail <= one.time) and one.time < head)
    values, scale = [one.value for one in inside], _scale(feature)
    if feature.aggregate in _OF_ANY:
        return _OF_ANY[feature.aggregate](values, scale)
    if not values:
        return None
    if feature.aggregate == "seconds_since_last":
        return (tick - inside[-1].time) / 1000
    return _OF_SOME[feature.aggregate](values, scale)


def of_members(feature: Feature, members: Iterable[Mapping[str, Value]], lets: Mapping[str, object]) -> Value:
    """Return one feature from the contexts of a group's members, one row each."""
    counted = [row for row in members if feature.where is None or is_true(feature.where, row, lets)]
    values = [True if feature.column == "any" else row[feature.column] for row in counted]
    known = [value for value in values if value is not None]
    if feature.aggregate in ("sum", "mean") and float in map(type, known):
        total = math.fsum(known)
        return total / len(known) if feature.aggregate == "mean" else total
    if feature.aggregate in _OF_ANY:
        return _OF_ANY[feature.aggregate](known, 0)
    return _OF_SOME[feature.aggregate](known, 0) if known else None


def profile_at(rows: Iterable[Signal], wanted: Iterable[str], tick: int) -> dict[str, Value]:
    """Return fields of the profile, as `profile.tariff`, at one tick: those of the latest row."""
    latest = max((row for row in rows if row.time < tick), key=lambda row: (row.time, row.source, row.id), default=None)
    return {name: latest and latest.payload.get(name.removeprefix("profile.")) for name in wanted}


def consents_at(rows: Iterable[Signal], basis: str, tick: int) -> bool:
    """Return whether somebody consents at one tick: what the latest row says, unless it has lapsed; else as `basis`."""
    latest = max((row for row in rows if row.time < tick), key=lambda row: (row.time, row.source, row.id), default=None)
    until = latest and latest.payload.get("valid_until")
    if latest is None or (until is not None and until <= tick):
        return basis == "opt_out"
    return latest.payload["state"] == "granted"


def days_until(text: Value, tick: int, refresh: int, zone: str) -> Value:
    """Return the days from the local date at the last refresh to a date; None where it is none."""
    today = _local(last_refresh(tick, refresh, zone), zone).date()
    try:
        return (datetime.datetime.strptime(text, "%Y-%m-%d").date() - today).days if text else None
    except ValueError:
        return None


def last_refresh(tick: int, refresh: int, zone: str) -> int:
    """Return the last refresh up to a tick: whole days begin at local midnight, all else in UTC."""
    if refresh % DAY:
        return tick // refresh * refresh
    first, date = datetime.date(1970, 1, 1), _local(tick, zone).date() + datetime.timedelta(1)
    while (date - first).days % (refresh // DAY) or begins(date, zone) > tick:
        date -= datetime.timedelta(1)
    return begins(date, zone)


@cache
def begins(date: datetime.date, zone: str) -> int:
    """Return the first minute at which it is a date, or a later one, in a time zone."""
    minute = int(datetime.datetime(date.year, date.month, date.day, tzinfo=datetime.UTC).timestamp()) * 1000 - DAY
    while _local(minute, zone).date() < date:
        minute += 60_000
    return minute


def _local(time: int, zone: str) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time / 1000, ZoneInfo(zone))


def row_scope(row: Signal, zone: str) -> dict[str, Value]:
    """Return what a `where` can see of a row: the columns of its contract and the local time of the row."""
    local = datetime.datetime.fromtimestamp(row.time / 1000, ZoneInfo(zone))
    absent = {column.name: None for column in contract(row.signal).fields}
    clock = {"local_hour": local.hour, "local_weekday": local.isoweekday(), "local_date": local.date()}
    return absent | dict(row.payload) | clock | {"subscriber": row.subscriber}


def _scale(feature: Feature) -> int:
    """Return the decimals kept of the feature's column; 0 for whole numbers, text and `any`."""
    columns = {column.name: column for column in contract(feature.from_).fields}
    column = columns.get(feature.column)
    return column.scale if column is not None and str(column.type) == "double" else 0


def _scaled(value: Value, scale: int) -> Value:
    """Return a measure as a whole number of its smallest unit, halves to even."""
    return round(Fraction(value) * 10**scale) if scale and value is not None else value


def _unscaled(value: Value, scale: int) -> Value:
    return value / 10**scale if scale else value


def _in_range(value: Value) -> Value:
    """Return None for a whole number that 64 bits cannot hold."""
    return value if isinstance(value, float) or -(2**63) <= value < 2**63 else None


_OF_ANY: dict[str, Callable[[list[Value], int], Value]] = {
    "count": lambda values, scale: len(values),
    "distinct": lambda values, scale: len(set(values)),
    "sum": lambda values, scale: _in_range(_unscaled(sum(values), scale)),
}
"""Aggregates that are 0 where there is nothing."""

_OF_SOME: dict[str, Callable[[list[Value], int], Value]] = {
    "min": lambda values, scale: _unscaled(min(values), scale),
    "max": lambda values, scale: _unscaled(max(values), scale),
    "mean": lambda values, scale: sum(values) / (len(values) * 10**scale),
    "first": lambda values, scale: _unscaled(values[0], scale),
    "last": lambda values, scale: _unscaled(values[-1], scale),
}
"""Aggregates that are NULL where there is nothing."""
