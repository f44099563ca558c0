"""Days until a date: which texts are dates, and as of which local day."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from schemas.durations import DAY, HOUR
from schemas.errors import LoadErrors
from schemas.playbook_file import parse_playbook
from transforms.compiler.compile_expression import ExpressionError, ScopeColumn, compile_expression
from transforms.compiler.load import load_plan
from transforms.compiler.sql.dates import TICK, days_until
from transforms.context.features.refreshes import Refreshes

SCOPE = {"profile.contract_end": ScopeColumn(pl.String()), "n": ScopeColumn(pl.String())}


def left(text: str | None, at: str, refresh: int = DAY, zone: str = "UTC") -> int | None:
    functions = {"DAYS_UNTIL": days_until(zone, refresh)}
    expression = compile_expression("days_until(profile.contract_end)", SCOPE, {}, functions)
    frame = pl.DataFrame(
        {"profile.contract_end": [text], TICK: [_ms(at)]}, schema_overrides={"profile.contract_end": pl.String}
    )
    return frame.select(expression.expr).item()


def _ms(at: str) -> int:
    return round(datetime.fromisoformat(f"{at}+00:00").timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2026-03-01", 0),
        ("2026-03-31", 30),
        ("2026-02-28", -1),
        ("2028-02-29", 730),
        ("2026-02-29", None),
        ("2026-3-31", None),
        ("2026-03-31T00:00:00", None),
        (" 2026-03-31", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_a_date(text: str | None, days: int | None) -> None:
    assert left(text, "2026-03-01 12:00") == days


@pytest.mark.parametrize(
    ("at", "refresh", "days"),
    [
        ("2026-03-01 21:59", HOUR, 30),
        ("2026-03-01 22:00", HOUR, 29),  # midnight in Helsinki
        ("2026-03-01 21:59", DAY, 30),
        ("2026-03-01 22:00", DAY, 29),
        ("2026-03-01 23:59", 12 * HOUR, 30),  # of less than a day in UTC
        ("2026-03-02 00:00", 12 * HOUR, 29),
        ("2026-03-29 20:59", DAY, 2),
        ("2026-03-29 21:00", DAY, 1),  # summer time
        ("2026-03-29 21:00", HOUR, 1),
        ("2026-03-01 21:59", 2 * DAY, 31),  # days of an even number since 1970
        ("2026-03-03 21:59", 2 * DAY, 29),
    ],
)
def test_the_day_is_local_and_of_the_last_refresh(at: str, refresh: int, days: int) -> None:
    assert left("2026-03-31", at, refresh, "Europe/Helsinki") == days


@pytest.mark.parametrize(
    ("zone", "date", "begins"),
    [
        ("UTC", "2026-03-29", "2026-03-29 00:00"),
        ("America/Los_Angeles", "2026-03-08", "2026-03-08 08:00"),  # clocks go forward later that day
        ("America/Los_Angeles", "2026-03-09", "2026-03-09 07:00"),
        ("America/Los_Angeles", "2026-11-02", "2026-11-02 08:00"),  # after a day of 25 hours
        ("Asia/Kolkata", "2026-03-08", "2026-03-07 18:30"),
        ("Africa/Cairo", "2026-04-24", "2026-04-23 22:00"),  # midnight is skipped
        ("America/Havana", "2026-11-01", "2026-11-01 04:00"),  # midnight comes twice
        ("America/St_Johns", "2010-11-07", "2010-11-07 02:30"),  # and so does the evening before
        ("Pacific/Apia", "2011-12-30", "2011-12-30 10:00"),  # the day is skipped
    ],
)
def test_days_begin_at_midnight_in_the_zone(zone: str, date: str, begins: str) -> None:
    day, tick = np.array([(datetime.fromisoformat(date) - datetime(1970, 1, 1)).days]), _ms(begins)
    refreshes = Refreshes(DAY, zone)
    assert refreshes.since_day(day).tolist() == refreshes.begin(day).tolist() == [tick]
    around = np.array([tick - 1, tick, tick + 3_660_000])
    assert (refreshes.number(around) >= day).tolist() == [False, True, True]
    assert refreshes.floor(around)[1:].tolist() == [tick, tick]
    before, *after = (left(date, datetime.fromtimestamp(at / 1000, UTC).isoformat()[:19], DAY, zone) for at in around)
    assert before > 0
    assert max(after) <= 0


@pytest.mark.parametrize(
    "text", ["days_until(n)", "days_until('2026-12-24')", "days_until(LOWER(profile.contract_end))"]
)
def test_only_dates_of_the_profile_drift(text: str) -> None:
    with pytest.raises(ExpressionError, match="takes a date of the profile"):
        compile_expression(text, SCOPE, {}, {"DAYS_UNTIL": days_until("UTC", DAY)})


@pytest.mark.parametrize(
    ("level", "told"),
    [
        (
            "{features: {n: {count: any, from: profile, where: days_until(contract_end) > 1, window: 1h}}}",
            "no function",
        ),
        ("{features: &f {n: {last: tariff, from: profile}}, moments: {m: {when: n = 'a', refresh: 1h}}}", "time alone"),
        (
            "{features: {n: {last: tariff, from: profile}}, "
            "moments: {m: {when: days_until(profile.contract_end) < 2, refresh: 90s}}}",
            "`refresh` 90s is not a multiple of the tick of 1m",
        ),
    ],
)
def test_where_it_has_no_place(level: str, told: str) -> None:
    with pytest.raises(LoadErrors, match=told):
        load_plan(parse_playbook(f"playbook: p\nsignals: [profile]\nsubscriber: {level}\n"))
