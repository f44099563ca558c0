"""Quiet hours against a naive reading of the rules: tick by tick, by the clock on the wall."""

import json
import pickle
import zoneinfo
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import holidays
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.durations import DAY, HOUR, MINUTE, SECOND
from schemas.playbook_file import parse_playbook
from schemas.quiet import WEEKDAYS
from transforms.arrays.in_time import FOREVER
from transforms.arrays.time_zones import known_zones
from transforms.compiler.quiet import Quiet, quiet_of
from transforms.decision.quiet_hours import HORIZON, opens_at

Rules = Mapping[str, Any]

PLAYBOOK = """
playbook: quiet
signals: [usage]
subscriber: {features: {n: {count: any, from: usage, window: 1d}}, moments: {some: {when: n > 0}}}
offers:
  any: {for: subscriber.some, family: f, owner: o, value: 1, p_accept: 1, send: [push, sms, app], valid_for: 1d}
policy: {quiet: %s}
"""
CHANNELS = ("push", "sms", "app")


def compiled(rules: Rules) -> Quiet:
    quiet = quiet_of(parse_playbook(PLAYBOOK % json.dumps(rules)))
    assert quiet is not None
    return quiet


def kernel(rules: Rules, channel: str, zones: list[str], ticks: list[int], tick: int) -> list[int]:
    quiet = compiled(rules)
    index = quiet.channels.index(channel) if channel in quiet.channels else -1
    size, column = len(ticks), np.array(ticks, np.int64)
    return opens_at(quiet, np.full(size, index), zones, np.arange(size), column, tick).tolist()


def opens(rules: Rules, channel: str, zone: str, at: int, tick: int) -> int:
    """Return the first open tick, looking at each."""
    last = at + HORIZON
    while at <= last:
        if not is_quiet(rules, channel, local_time(zone, at)):
            return at
        at += tick
    return FOREVER


@lru_cache(maxsize=1_000_000)
def local_time(zone: str, at: int) -> datetime:
    assert at % SECOND == 0
    return datetime.fromtimestamp(at // SECOND, zoneinfo.ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def is_quiet(rules: Rules, channel: str, local: datetime) -> bool:
    if any(local.date() in of_country(code) for code in listed(rules.get("holidays", ()))):
        return True
    clock = local.strftime("%H:%M")
    return any(
        times == "all" or (times[:5] <= clock and (clock < times[6:] or times[6:] < times[:5]))
        for times in starting_on(rules, channel, local)
    ) or any(
        times != "all" and times[6:] < times[:5] and clock < times[6:]
        for times in starting_on(rules, channel, local - timedelta(days=1))
    )


def starting_on(rules: Rules, channel: str, day: datetime) -> Iterator[str]:
    for key in (channel, "all", WEEKDAYS[day.weekday()]):
        yield from listed(rules.get(key, ()))


@lru_cache
def of_country(code: str) -> holidays.HolidayBase:
    country, _, part = code.partition("-")
    return holidays.country_holidays(country, subdiv=part or None)


def listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value)


def tick_of(text: str, zone: str = "UTC") -> int:
    """Return the instant of a local time, the first of two."""
    return round(datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone)).timestamp()) * SECOND


def changes(zone: str, begin: int, end: int) -> Iterator[int]:
    """Yield when clocks change, to the second."""

    def offset(at: int) -> timedelta | None:
        return datetime.fromtimestamp(at // SECOND, zoneinfo.ZoneInfo(zone)).utcoffset()

    for day in range(begin, end, DAY):
        before, after = day, day + DAY
        if offset(before) != offset(after):
            while after - before > SECOND:
                middle = (before + after) // 2 // SECOND * SECOND
                before, after = (middle, after) if offset(middle) == offset(day) else (before, middle)
            yield after


HELSINKI = "Europe/Helsinki"
NIGHT = {"push": "21:00-08:00", "saturday": "18:00-10:00", "sunday": "all", "holidays": "FI"}


@pytest.mark.parametrize(
    ("channel", "at", "then"),
    [
        ("push", "2026-12-01T20:59", "2026-12-01T20:59"),
        ("push", "2026-12-01T21:00", "2026-12-02T08:00"),
        ("push", "2026-12-02T07:59", "2026-12-02T08:00"),
        ("app", "2026-12-02T03:00", "2026-12-02T03:00"),
        ("app", "2026-12-12T17:59", "2026-12-12T17:59"),
        ("app", "2026-12-12T18:00", "2026-12-14T00:00"),  # Saturday evening, then all of Sunday
        ("push", "2026-12-12T18:00", "2026-12-14T08:00"),
        ("app", "2026-12-05T18:00", "2026-12-07T00:00"),  # Independence Day is a Sunday
        ("app", "2027-12-06T00:00", "2027-12-07T00:00"),  # and then a Monday
        ("app", "2026-12-23T12:00", "2026-12-23T12:00"),
        ("app", "2026-12-24T00:00", "2026-12-28T00:00"),  # three holidays, the last a Saturday, and a Sunday
        ("push", "2027-03-26T09:00", "2027-03-27T08:00"),  # Good Friday
        ("push", "2027-03-27T22:00", "2027-03-30T08:00"),  # the clocks change, Easter Monday
    ],
)
def test_a_channel_opens_where_its_quiet_time_ends(channel: str, at: str, then: str) -> None:
    assert kernel(NIGHT, channel, [HELSINKI], [tick_of(at, HELSINKI)], MINUTE) == [tick_of(then, HELSINKI)]


@pytest.mark.parametrize(
    ("times", "at", "then"),
    [  # at 2027-03-28T01:00Z clocks go from 03:00 to 04:00, at 2027-10-31T01:00Z from 04:00 back to 03:00
        ("02:00-03:30", "2027-03-28T00:00", "2027-03-28T01:00"),
        ("02:00-04:30", "2027-03-28T00:00", "2027-03-28T01:30"),
        ("03:00-04:00", "2027-03-28T00:59", "2027-03-28T00:59"),
        ("02:00-03:30", "2027-10-31T00:00", "2027-10-31T00:30"),
        ("03:30-05:00", "2027-10-31T00:45", "2027-10-31T01:00"),
        ("03:30-05:00", "2027-10-31T01:30", "2027-10-31T03:00"),
        ("03:00-04:00", "2027-10-31T00:00", "2027-10-31T02:00"),
    ],
)
def test_quiet_is_what_the_clock_shows(times: str, at: str, then: str) -> None:
    assert kernel({"all": times}, "sms", [HELSINKI], [tick_of(at)], MINUTE) == [tick_of(then)]


def test_it_opens_at_a_tick() -> None:
    rules = {"sms": "00:00-09:10"}
    assert kernel(rules, "sms", ["Asia/Kathmandu"], [0], HOUR) == [4 * HOUR]  # 5:30 ahead in 1970: 09:30
    assert kernel({"sms": "00:00-09:10"}, "sms", ["UTC"], [40 * SECOND], 20 * SECOND) == [9 * HOUR + 10 * MINUTE]
    assert kernel({"sms": ["00:00-09:10", "09:20-12:05"]}, "sms", ["UTC"], [0], HOUR) == [13 * HOUR]


def test_what_never_opens_says_so() -> None:
    assert kernel({"all": "all"}, "sms", [HELSINKI], [0], HOUR) == [FOREVER]
    assert kernel(dict.fromkeys(WEEKDAYS, "all"), "sms", [HELSINKI], [0], HOUR) == [FOREVER]
    assert kernel({"sms": ["00:00-10:01", "10:02-24:00"]}, "sms", ["UTC"], [0], HOUR) == [FOREVER]


def test_no_rows_are_fine() -> None:
    none = np.zeros(0, np.int64)
    assert opens_at(compiled(NIGHT), none, [], none, none, MINUTE).tolist() == []


def test_quiet_hours_are_a_value() -> None:
    quiet = compiled(NIGHT)
    assert pickle.loads(pickle.dumps(quiet)) == quiet == compiled(dict(reversed(NIGHT.items())))
    assert hash(quiet) == hash(compiled(NIGHT))
    assert (quiet.channels, quiet.holidays) == (("push",), ("FI",))
    assert quiet.times[-1] == ((), (), (), (), (), ((1080, 2040),), ((0, 1440),))
    assert quiet_of(parse_playbook(PLAYBOOK.replace("{quiet: %s}", "{}"))) is None


def test_ticks_are_left_as_they_are() -> None:
    ticks = np.array([tick_of("2026-12-13T12:00")])
    opens_at(compiled(NIGHT), np.array([-1]), ["UTC"], np.array([0]), ticks, MINUTE)
    assert ticks.tolist() == [tick_of("2026-12-13T12:00")]


ZONES = (
    "UTC",
    HELSINKI,
    "Africa/Casablanca",
    "America/Havana",
    "America/Nuuk",
    "America/Santiago",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Kathmandu",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
)
BEGIN, END = tick_of("2026-12-01"), tick_of("2028-12-01")
OF_NOTE = [
    *(at for zone in ZONES for at in changes(zone, BEGIN, END)),
    tick_of("2011-12-30"),  # a day that Samoa left out
    tick_of("2027-01-01"),
]

clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from((0, 0, 1, 15, 30, 45, 59)))
intervals = st.tuples(clocks, clocks | st.just("24:00")).filter(lambda both: both[0] != both[1]).map("-".join)
times = intervals | st.lists(intervals, min_size=1, max_size=3)
rules = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("sms", "push", "all"), times),
        **dict.fromkeys(WEEKDAYS, times | st.just("all")),
        "holidays": st.sampled_from(("FI", "DE-BY", ["FI", "US"])),
    },
)
instants = st.one_of(
    st.integers(BEGIN, END), st.builds(int.__add__, st.sampled_from(OF_NOTE), st.integers(-2 * DAY, 2 * DAY))
)


@settings(max_examples=80)
@given(
    rules,
    st.sampled_from(CHANNELS),
    st.lists(st.tuples(st.sampled_from(ZONES), instants), min_size=1, max_size=5),
    st.sampled_from((15 * MINUTE, 20 * MINUTE, HOUR, 6 * HOUR)),
)
def test_it_opens_as_it_does_tick_by_tick(rules: Rules, channel: str, rows: list[tuple[str, int]], tick: int) -> None:
    zones, ticks = [zone for zone, _ in rows], [at // tick * tick for _, at in rows]
    expected = [opens(rules, channel, zone, at, tick) for zone, at in zip(zones, ticks, strict=True)]
    assert kernel(rules, channel, zones, ticks, tick) == expected


@lru_cache
def around_changes(tick: int) -> list[tuple[str, int]]:
    """Return the ticks up to three hours from each change of clocks, in every zone that has one."""
    names = sorted(zoneinfo.available_timezones())
    known = [zone for zone, is_known in zip(names, known_zones(names), strict=True) if is_known]
    every = [(zone, change // tick * tick) for zone in known for change in changes(zone, BEGIN, END)]
    ticks = [(zone, at) for zone, change in every for at in range(change - 3 * HOUR, change + 3 * HOUR, tick)]
    return [(zone, at) for zone, at in ticks if agrees(zone, at)]


def agrees(zone: str, at: int) -> bool:
    """Tell whether polars, whose zones are its own, shows the time that the machine does."""
    shown = pl.Series([datetime.fromtimestamp(at // SECOND, UTC)]).dt.convert_time_zone(zone)
    return bool(shown.dt.replace_time_zone(None)[0] == local_time(zone, at))


QUARTER = 15 * MINUTE
AROUND = {
    "push": ["01:15-01:45", "02:15-02:30", "03:15-03:45"],
    "sms": ["22:15-22:45", "23:15-00:45", "02:00-03:00"],
    "app": "21:00-06:00",
}


@pytest.mark.parametrize("channel", CHANNELS)
def test_clocks_change_in_every_zone(channel: str) -> None:
    """Before, in and after each gap and each fold of two years."""
    rows = around_changes(QUARTER)
    assert len({zone for zone, _ in rows}) > 100
    zones, ticks = [zone for zone, _ in rows], [at for _, at in rows]
    assert kernel(AROUND, channel, zones, ticks, QUARTER) == [opens(AROUND, channel, *row, QUARTER) for row in rows]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Europe/Helsinki", True),
        ("UTC", True),
        ("EST5EDT", True),
        (None, False),
        ("", False),
        ("America", False),
        ("Europe/Helsinky", False),
        ("+02:00", False),
        ("../Europe/Helsinki", False),
        ("/etc/passwd", False),
        ("posix/UTC", False),
        ("zone.tab", False),
        ("x" * 300, False),
        ("a\0b", False),
        ("\ud800", False),
    ],
)
def test_zones_are_known(name: str | None, known: bool) -> None:
    assert known_zones([name, "UTC"]).tolist() == [known, True]
