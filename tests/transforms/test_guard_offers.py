"""Guards of the offer topic, in a stream."""

import logging
from collections import defaultdict
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing import test_stream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.durations import HOUR, MINUTE
from tests.transforms.sinks.offers import Row, batch
from transforms.decision.offers import WITHDRAWN, event_texts
from transforms.guard_offers import GuardOffers
from transforms.shell.packed_batch import PackedBatch
from transforms.shell.timers import Cuts

START = 1_772_445_600_000  # 2026-03-02T10:00:00Z
FAR = START + 1_000 * HOUR


def at_start() -> int:
    return START


def ids(offers: pa.RecordBatch) -> list[str]:
    found: list[str] = offers["id"].to_pylist()
    return found


def why(rejected: pa.RecordBatch) -> list[tuple[str, str]]:
    return list(zip(rejected["position"].to_pylist(), rejected["reason"].to_pylist(), strict=True))


def stamp(tick: int, after: int = 3) -> Timestamp:
    return Timestamp(micros=1000 * (tick + after))


def _told(guard: GuardOffers, *rows: Row, seeds: list[tuple[int, PackedBatch]] | None = None) -> dict[str, Any]:
    stream: Any = test_stream.TestStream().advance_watermark_to(stamp(START, -1))
    for row in rows:
        at = stamp(row.time)
        stream = stream.add_elements([TimestampedValue(batch(row), at)]).advance_watermark_to(at)
    last = max((row.time for row in rows), default=START)
    for step in range(1, 5 * 60, 5):  # in this runner timers hold no watermark
        if START + step * MINUTE > last:
            stream = stream.advance_watermark_to(stamp(START + step * MINUTE, 10))
    pipeline = beam.Pipeline(BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"]))
    given = {"offers": pipeline | stream.advance_watermark_to_infinity()}
    if seeds is not None:
        given["seeds"] = pipeline | beam.Create(seeds, reshuffle=False)
    return {"pipeline": pipeline} | (given | guard)


def test_too_many_wait_for_their_hour_and_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    rows = [Row(name, START + n * MINUTE, FAR) for n, name in enumerate("abcd")]
    rows += [Row("e", START + 5 * MINUTE, START + HOUR), Row("b", START + 6 * MINUTE, FAR, made=False)]
    told = _told(GuardOffers(most=1, clock=at_start), *rows)
    assert_that(told["offers"] | "ids" >> beam.FlatMap(ids), equal_to([*"abcd"[:1], "b", "c", "d"]), label="out")
    assert_that(told["refused"] | "why" >> beam.FlatMap(why), equal_to([("e", "expired_while_held")]), label="refused")
    assert_that(told["operations"] | "rows" >> beam.FlatMap(pa.RecordBatch.to_pylist), check_alert, label="alert")
    with caplog.at_level(logging.WARNING):
        told["pipeline"].run().wait_until_finish()
    assert "1 offers are held: --max-offers-per-hour is 1" in caplog.text


def check_alert(rows: list[dict[str, Any]]) -> None:
    """Of 10:00 one, at the time of the first offer that waits; later hours only let out what waits."""
    found = [(row["kind"], row["source"], row["time"].timestamp() * 1_000, row["count"], row["most"]) for row in rows]
    assert found == [("offers_held", "/segment-of-one/test", START + MINUTE, 1, 1)]
    assert rows[0]["id"] == "664966ff54a1b7ad226fc4279b5bbb70"  # of kind, source and hour


def test_what_is_over_by_the_clock_is_refused_but_its_withdrawal_goes_out() -> None:
    rows = [Row("a", START, START), Row("a", START + 1, START, made=False), Row("b", START + 2, START + 1)]
    told = _told(GuardOffers(clock=at_start), *rows)

    def check(refused: list[pa.RecordBatch]) -> None:
        (row,) = (row for each in refused for row in each.to_pylist())
        text = event_texts(pa.Table.from_batches([batch(rows[0])]))[0].encode()
        assert (row["source"], row["position"], row["stage"]) == ("/segment-of-one/test", "a", "guard_offers")
        assert (row["reason"], row["payload"], row["payload_length"]) == ("expired_at_sink", text, len(text))

    types = told["offers"] | "types" >> beam.FlatMap(lambda each: each.select(["id", "type"]).to_pylist())
    expected = [{"id": "a", "type": WITHDRAWN}, {"id": "b", "type": "offer.made"}]
    assert_that(types, equal_to(expected), label="out")
    assert_that(told["refused"], check, label="refused")
    told["pipeline"].run().wait_until_finish()


SEEN: dict[str, list[Any]] = defaultdict(list)


def see(element: Any, name: str) -> None:
    SEEN[name].append(element)


def seen(told: dict[str, Any], name: str) -> list[Any]:
    """Run a pipeline, and return what it gives under a name."""
    SEEN.clear()
    _ = told[name] | "See" >> beam.Map(see, name)
    told["pipeline"].run().wait_until_finish()
    return SEEN[name]


@pytest.mark.parametrize("limit", [1, None])
def test_what_is_held_at_a_cut_goes_out_in_the_run_that_starts_from_it(limit: int | None) -> None:
    rows = [Row(name, START + n * MINUTE, FAR) for n, name in enumerate("abcd")]
    cuts = Cuts(MINUTE, 10 * MINUTE)
    blobs = seen(_told(GuardOffers(most=1, clock=at_start, cuts=cuts), *rows[:3]), "blobs")
    stage, key, tick, content = min(blob for blob in blobs if blob[2] > START)
    assert (stage, key, tick) == ("guard_offers", "0", START + 10 * MINUTE)
    seeds = [(int(key), PackedBatch.seed(tick, content))]
    again = _told(GuardOffers(most=limit, clock=at_start), rows[3]._replace(time=tick + MINUTE), seeds=seeds)
    assert [id_ for each in seen(again, "offers") for id_ in ids(each)] == ["b", "c", "d"]


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="--max-offers-per-hour 0: at least 1"):
        GuardOffers(most=0)
