"""Alerts: days on which a segment is not as large as expected."""

import datetime

import pyarrow as pa
import pytest

from schemas.playbook_file import parse_playbook
from schemas.records import ALERT, SEGMENT_STATS
from schemas.versions import Versions
from transforms.statistics.alerts import FOR_EVER, Poster, alerts, posters

MONDAY = datetime.datetime(2026, 3, 3, tzinfo=datetime.UTC)
COUNTS = {"words": "", "entered": 0, "exited": 0, "overlap": []}


def _stats(*rows: tuple[str, str, int, int]) -> pa.Table:
    """Return rows of segment, window, size and base."""
    told = [
        {"subject_kind": "household", "segment": segment, "window": window, "end": MONDAY, "size": size, "base": base}
        | {"share": size / base if base else None}
        | COUNTS
        for segment, window, size, base in rows
    ]
    return pa.Table.from_pylist(told, SEGMENT_STATS)


@pytest.mark.parametrize(
    ("size", "base", "alerted"),
    [
        (1, 100, False),
        (5, 100, False),
        (7, 100, False),
        (0, 100, True),
        (8, 100, True),
        (1, 101, True),
        (70_000_001, 1_000_000_000, True),
        (0, 0, False),
    ],
)
def test_both_bounds_are_allowed(size: int, base: int, alerted: bool) -> None:
    assert bool(len(alerts(_stats(("a", "day", size, base)), [Poster("a", 0, FOR_EVER, 0.01, 0.07)]))) == alerted


def test_only_days_of_segments_with_a_poster_are_looked_at() -> None:
    stats = _stats(("b", "day", 1, 40), ("a", "hour", 1, 40), ("a", "day", 0, 3), ("c", "day", 1, 40))
    found = alerts(stats, [Poster("a", 0, FOR_EVER, 0.01, 0.05), Poster("b", 0, FOR_EVER, 0.5, 1.0)])
    assert found.schema == ALERT
    assert [(row["segment"], row["share"], row["least"], row["most"]) for row in found.to_pylist()] == [
        ("a", 0.0, 0.01, 0.05),
        ("b", 0.025, 0.5, 1.0),
    ]
    assert found["message"].to_pylist() == [
        "0 of 3 are in `household.a`: 0.0%, not 1.0% to 5.0%",
        "1 of 40 are in `household.b`: 2.5%, not 50.0% to 100.0%",
    ]
    assert found["end"].to_pylist() == [MONDAY, MONDAY]


def test_without_posters_there_are_none() -> None:
    assert alerts(_stats(("a", "day", 0, 3)), []).num_rows == 0


BOOK = """
playbook: p
version: {version}
effective_from: 2026-03-0{version}T12:00:30Z
signals: [usage]
subscriber:
  features: {{n: {{count: any, from: usage, window: 1h}}}}
  segments: {{a: {{enter: n > 1{expect}}}, b: {{enter: n > 2}}}}
"""
"""Versions take over at the first tick that is not before their time."""


def test_each_day_has_the_poster_of_the_version_at_its_end() -> None:
    texts = [", expect: 1%..5%", "", ", expect: 0%..50%"]
    books = [parse_playbook(BOOK.format(version=2 + n, expect=text)) for n, text in enumerate(texts)]
    tuesday, wednesday = MONDAY + datetime.timedelta(hours=12.5), MONDAY + datetime.timedelta(days=1, hours=12)
    expected = [*posters(Versions.of(books), "subscriber")]
    starts = [int(at.replace(minute=1).timestamp() * 1000) for at in (tuesday, wednesday)]
    assert expected == [Poster("a", 0, starts[0], 0.01, 0.05), Poster("a", starts[1], FOR_EVER, 0, 0.5)]
    assert [*posters(Versions.of(books), "household")] == []
    stats = _stats(("a", "day", 2, 10))
    for since, until, told in [(0, MONDAY, 0), (0, wednesday, 1), (MONDAY, wednesday, 1), (tuesday, wednesday, 0)]:
        first, end = (0 if at == 0 else int(at.timestamp() * 1000) for at in (since, until))
        assert alerts(stats, [Poster("a", first, end, 0.01, 0.05)]).num_rows == told
