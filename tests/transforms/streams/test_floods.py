"""A flood of rejected records is told once a minute, and by its share."""

import logging

import pytest

from transforms.streams.element import Element
from transforms.streams.floods import FLOODS, LEAST, MINUTE, RECORDS, REFUSED, Flood


@pytest.mark.parametrize(
    ("pulls", "floods"),
    [
        ([(0, 1000, 50)], [False]),
        ([(0, 1000, 51)], [True]),
        ([(0, LEAST - 1, LEAST - 1)], [False]),
        ([(0, LEAST, LEAST)], [True]),
        ([(0, 600, 40), (MINUTE - 1, 100, 10)], [True, False]),
        ([(0, 600, 25), (MINUTE - 1, 100, 25)], [False, True]),
        ([(0, 600, 25), (MINUTE, 100, 4), (MINUTE + 1, 0, 0)], [False, False, False]),
        ([(0, 100, 90), (MINUTE, 100, 90)], [True, True]),
    ],
)
def test_a_minute_with_too_large_a_share_is_a_flood(pulls: list[tuple[int, int, int]], floods: list[bool]) -> None:
    flood = Flood("usage", 0.05)
    assert [flood.saw(*pull) for pull in pulls] == floods


def test_it_is_logged_and_counted_by_feed(caplog: pytest.LogCaptureFixture) -> None:
    counts = {("signals", "in"): 100, ("signals", "rejected"): 60}
    with caplog.at_level(logging.ERROR):
        watched = Flood("usage", 0.5).watched(Element([], [], counts, 0), 7)
    assert watched.counts == counts | {(RECORDS, "usage"): 100, (REFUSED, "usage"): 60, (FLOODS, "usage"): 1}
    assert "usage: 60 of 100 records were rejected within a minute" in caplog.text
    assert Flood("usage", 0.5).watched(Element([], [], {("signals", "in"): 3}, 0), 7).counts[RECORDS, "usage"] == 3
