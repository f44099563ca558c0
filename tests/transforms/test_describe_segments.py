"""DescribeSegments on both engines: the same hours and days, whatever the shards, and windows that are Beam's."""

from collections import defaultdict
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing import test_stream
from apache_beam.transforms.window import FixedWindows, TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.durations import DAY, HOUR
from schemas.playbook_file import parse_playbook
from tests.reference.kernel import batches
from tests.reference.records import Signal, ms
from transforms.compiler.load import load_plan
from transforms.describe_segments import DescribeSegments
from transforms.shell.end_of_input import end_batch
from transforms.shell.packed_batch import PackedBatch
from transforms.shell.timers import Backlog
from transforms.track_contexts import TrackContexts

BOOK = parse_playbook("""\
playbook: p
tick: 30m
signals: [usage, balance]
subscriber:
  features:
    n: {count: any, from: usage, window: 2h}
    kind: {last: kind, from: usage}
    left: {last: remaining_mb, from: balance}
  segments:
    busy: {describe: Much to do, enter: n >= 2, expect: 40%..100%}
    poor: {enter: left < 5, hold: 2h}
""")
PLAN = load_plan(BOOK)
START = 1_772_409_600_000  # 2026-03-02, UTC
UNTIL = START + 2 * DAY + 90 * 60_000  # within an hour and a day


def usage(number: int, subject: str, hour: float, kind: str = "data") -> Signal:
    return Signal("usage", f"u{number}", "net", START + round(hour * HOUR), subject, {"kind": kind})


def balance(number: int, subject: str, hour: float, left: float) -> Signal:
    return Signal("balance", f"b{number}", "net", START + round(hour * HOUR), subject, {"remaining_mb": left})


ROWS = [
    *(usage(number, "ann", hour) for number, hour in enumerate([0.2, 0.7, 1.1, 8.1, 8.2, 23.9, 24.0, 24.6, 30.0])),
    *(usage(20 + number, "ben", hour, "voice") for number, hour in enumerate([0.4, 23.0, 23.2, 47.6, 47.9, 49.2])),
    *(balance(number, "ann", hour, left) for number, (hour, left) in enumerate([(1.0, 9.0), (9.0, 2.0), (40.0, 7.0)])),
    balance(9, "eva", 3.0, 4.0),
]
_HEARD: dict[str, list[dict[str, Any]]] = defaultdict(list)


def told(engine: str, shards: int, lag: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Return the sorted rows of transitions, stats, profiles and alerts of a run on an engine."""
    _HEARD.clear()
    bounded = engine == "bounded"
    runner, flags = (FnApiRunner(), []) if bounded else (BundleBasedDirectRunner(), ["--streaming"])
    with beam.Pipeline(runner, options=PipelineOptions(flags)) as pipeline:
        signals = pipeline | (beam.Create(_bounded(shards)) if bounded else _stream(shards, lag))
        backlog = Backlog(0, BOOK.tick, lag=lag)
        track = TrackContexts(playbook=BOOK, bounded=bounded, shards=shards, segment_stats=True, backlog=backlog)
        tracked = signals | "Track" >> track
        describe = DescribeSegments(playbook=BOOK, bounded=bounded, lag=lag)
        made = tracked["segment_stats"] | "Describe" >> describe
        for name, rows in {"transitions": tracked["transitions"], **made}.items():
            _ = rows | f"Hear {name}" >> beam.Map(_hear, name)
    return {name: sorted(rows, key=str) for name, rows in _HEARD.items()}


def _shard(row: Signal, shards: int) -> int:
    return ord(row.subject[0]) % shards


def _packs(rows: list[Signal], shards: int) -> list[tuple[int, PackedBatch]]:
    mine = ((shard, [row for row in rows if _shard(row, shards) == shard]) for shard in range(shards))
    return [(shard, PackedBatch.of(batch)) for shard, few in mine for batch in batches(PLAN, few)]


def _bounded(shards: int) -> list[tuple[int, PackedBatch]]:
    return _packs(ROWS, shards) + [(shard, PackedBatch.of(end_batch(UNTIL))) for shard in range(shards)]


def _stream(shards: int, lag: int) -> test_stream.TestStream:
    """Return the rows in time, the watermark in halves of a tick: this runner holds it for no timer."""
    stream, ahead = test_stream.TestStream(), 3000 + 1000 * lag
    for now in range(START, UNTIL + HOUR, BOOK.tick // 2):
        stream = stream.advance_watermark_to(Timestamp(micros=1000 * now + ahead))
        rows = [row for row in ROWS if now < row.time + 1 <= now + BOOK.tick // 2]
        elements = [TimestampedValue(one, Timestamp(micros=1000 * now + ahead)) for one in _packs(rows, shards)]
        stream = stream.add_elements(elements) if elements else stream
    return stream.advance_watermark_to_infinity()


def _hear(batch: pa.RecordBatch, name: str) -> None:
    _HEARD[name] += batch.to_pylist()


@pytest.fixture(scope="module")
def bounded() -> dict[str, list[dict[str, Any]]]:
    return told("bounded", 2)


def whole(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of windows that ended before the run."""
    return [row for row in rows if ms(row["end"]) <= UNTIL]


@pytest.mark.parametrize(("engine", "shards", "lag"), [("bounded", 1, 0), ("stream", 2, 3 * BOOK.tick + 7)])
def test_engines_shards_and_lags_tell_the_same(bounded: dict[str, Any], engine: str, shards: int, lag: int) -> None:
    found = told(engine, shards, lag)
    assert whole(bounded["segment_stats"])
    assert whole(bounded["segment_profiles"])
    assert whole(bounded["alerts"])
    for name in ("segment_stats", "segment_profiles", "alerts"):
        assert whole(found[name]) == whole(bounded[name])


def test_windows_are_those_of_beam(bounded: dict[str, Any]) -> None:
    """A tick closes what was before it: it belongs to Beam's window of the millisecond before."""
    turns = [one for one in bounded["transitions"] if one["event"] in ("entered", "exited")]
    for name, width in (("hour", HOUR), ("day", DAY)):
        context = lambda one: FixedWindows.AssignContext(Timestamp(micros=1000 * (ms(one["tick"]) - 1)))  # noqa: E731
        windows = [FixedWindows(width // 1000).assign(context(one))[0].end.micros // 1000 for one in turns]
        for event in ("entered", "exited"):
            counts = {
                (row["segment"], ms(row["end"])): row[event]
                for row in bounded["segment_stats"]
                if row["window"] == name
            }
            found = defaultdict(int)
            for one, end in zip(turns, windows, strict=True):
                found[one["name"], end] += one["event"] == event
            assert {key: count for key, count in counts.items() if count} == {k: n for k, n in found.items() if n}


def test_sizes_are_entries_less_exits(bounded: dict[str, Any]) -> None:
    for row in bounded["segment_stats"]:
        turns = [one for one in bounded["transitions"] if one["name"] == row["segment"] and one["tick"] <= row["end"]]
        assert row["size"] == sum({"entered": 1, "exited": -1}.get(one["event"], 0) for one in turns)


def test_a_run_that_ends_within_a_window_tells_it(bounded: dict[str, Any]) -> None:
    (last,) = [
        row for row in bounded["segment_stats"] if row["segment"] == "busy" and ms(row["end"]) == START + 3 * DAY
    ]
    assert (last["window"], last["words"], last["size"], last["base"]) == ("day", "Much to do", 1, 3)
