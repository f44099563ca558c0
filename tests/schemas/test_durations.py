"""Durations and instants as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.durations import DAY, HOUR, MINUTE, SECOND, WEEK, format_duration, parse_duration, parse_instant


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("0s", 0), ("90s", 90 * SECOND), ("5m", 5 * MINUTE), ("2h", 2 * HOUR), ("3d", 3 * DAY), ("1w", WEEK)],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    "value", ["", "90", "1.5h", "-1s", "1 h", "1y", "h", "1h\n", "1ms", 90, None, ["1h"], "\u0661s"]
)
def test_other_durations_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be a number and a unit"):
        parse_duration(value)


def test_very_long_durations_are_refused() -> None:
    with pytest.raises(ValueError, match="must not be longer than 3660d, as `999999999w` is"):
        parse_duration("999999999w")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0s"), (1_500, "1500ms"), (90 * SECOND, "90s"), (DAY, "1d"), (36 * HOUR, "36h"), (2 * WEEK, "14d")],
)
def test_durations_are_told_in_one_unit(milliseconds: int, text: str) -> None:
    assert format_duration(milliseconds) == text


@given(st.integers(0, 3_660 * 86_400).map(lambda seconds: seconds * SECOND))
def test_what_is_told_can_be_read(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T02:00:00.001+02:00", 1),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-12-01T00:00:00+02:00", 1_796_076_000_000),
    ],
)
def test_instants(text: str, milliseconds: int) -> None:
    assert parse_instant(text) == milliseconds


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-00:01"])
def test_instants_that_no_calendar_shows_in_utc_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must be within the years 1 to 9999 of UTC"):
        parse_instant(value)


@pytest.mark.parametrize("value", ["2026-12-01", "2026-12-01T00:00:00", "soon", 5, None])
def test_instants_without_offset_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be a date and time with an offset"):
        parse_instant(value)


def test_instants_are_whole_milliseconds() -> None:
    with pytest.raises(ValueError, match="must not be finer than a millisecond"):
        parse_instant("2026-12-01T00:00:00.000001Z")
