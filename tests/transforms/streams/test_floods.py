"""A flood of rejected records is told once a minute, and by its share."""

import logging

import pytest

from schemas.durations import HOUR
from schemas.records import OPERATION
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


def test_a_flood_is_a_record_an_hour_of_event_time_that_is_the_same_in_another_run() -> None:
    source, counts = "/segment-of-one/test", {("signals", "in"): 1_000, ("signals", "rejected"): 60}
    moments = [(2 * HOUR + 5, 0), (2 * HOUR + 7, MINUTE), (HOUR, 2 * MINUTE), (3 * HOUR, 3 * MINUTE)]

    def told(*moments: tuple[int, int]) -> list[dict[str, object]]:
        flood = Flood("usage", 0.05, source)
        found = [flood.watched(Element([], [], counts, time), now).operations for time, now in moments]
        assert all(batch.schema == OPERATION for batches in found for batch in batches)
        return [row for batches in found for batch in batches for row in batch.to_pylist()]

    first, second = told(*moments)
    assert (first["kind"], first["source"], first["stage"]) == ("rejects_flood", source, "read_stream")
    assert (first["count"], first["most"], first["time"].timestamp()) == (60, 50, 7_200.005)  # type: ignore[attr-defined]
    assert str(first["message"]).startswith("usage: 60 of 1,000 records were rejected within a minute")
    assert first["id"] != second["id"]
    assert [row["id"] for row in told(*moments[1:])] == [first["id"], second["id"]]
