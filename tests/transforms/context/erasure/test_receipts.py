"""Receipts: what shards removed, added up, and in which outputs a stage may have written of somebody."""

from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing import test_stream
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.playbook_file import parse_playbook
from schemas.records import REMOVED
from schemas.versions import Versions
from transforms.context.erasure.receipts import receipts, written
from transforms.sum_receipts import SumReceipts

BARE = """\
playbook: p
signals: [usage, erasure]
subscriber: {features: {n: {count: any, from: usage, window: 5m}}}
"""
WHOLE = """\
playbook: p
version: 2
effective_from: 1970-01-01T01:00:00Z
signals: [usage, membership, erasure]
subscriber:
  features: {n: {count: any, from: usage, window: 5m}}
  segments: {busy: {enter: n >= 2}}
household:
  features: {n: {count: any, from: usage, window: 5m}}
offers:
  pass: {for: subscriber.busy, family: data, owner: us, value: 4, p_accept: 0.5, send: app, valid_for: 6h}
"""
HOUR = 3_600_000
VERSIONS = Versions((parse_playbook(BARE), parse_playbook(WHOLE)))


@pytest.mark.parametrize(
    ("stage", "kind", "before", "after"),
    [
        ("track_subscribers", "subscriber", ["contexts", "rejected"], ["contexts", "rejected", "transitions"]),
        ("track_subscribers", "household", [], ["rejected"]),
        ("track_groups", "subscriber", [], []),
        ("track_groups", "household", [], ["contexts", "rejected"]),
        ("track_groups", "sme", [], []),
        ("decide_offers", "subscriber", [], ["decisions", "offers"]),
        ("decide_offers", "sme", [], ["decisions", "offers"]),
    ],
)
def test_what_a_stage_may_have_written(stage: str, kind: str, before: list[str], after: list[str]) -> None:
    assert written(VERSIONS, stage, kind, HOUR) == before  # an erasure acts first: the version has written nothing yet
    assert written(VERSIONS, stage, kind, HOUR + 60_000) == after


def test_what_shards_removed_adds_up() -> None:
    row = {"source": "law", "id": "e", "subject_kind": "subscriber", "subject": "#", "tick": HOUR}
    shards = [[(None, 0), ("ids", 2)], [(None, 0), ("ids", 1), ("features", 4)], [(None, 0)]]
    removed = [
        pa.RecordBatch.from_pylist([{**row, "table": table, "rows": rows} for table, rows in found], REMOVED)
        for found in shards
    ]
    (told,) = receipts(VERSIONS, "track_groups", removed).to_pylist()
    assert told["removed"] == [{"table": "features", "rows": 4}, {"table": "ids", "rows": 3}]
    assert receipts(VERSIONS, "track_groups", []).num_rows == 0


_HEARD: list[dict[str, Any]] = []


def _hear(batch: pa.RecordBatch) -> None:
    _HEARD.extend(batch.to_pylist())


def _removed(at: int, rows: int) -> TimestampedValue:
    """Return what one shard removed at a tick, as its timer emits it."""
    row = {"source": "law", "id": "e", "subject_kind": "subscriber", "subject": "#", "tick": at}
    batch = pa.RecordBatch.from_pylist([{**row, "table": "ids", "rows": rows}], REMOVED)
    return TimestampedValue(("track_groups", batch), Timestamp(micros=1000 * (at + 2)))


def test_what_a_shard_tells_behind_the_watermark_is_a_receipt() -> None:
    """A shard that slept acts at the erasure's own tick: its timer was set in the past, be that an age ago."""
    _HEARD.clear()
    stream = test_stream.TestStream().advance_watermark_to(Timestamp(micros=1000 * HOUR))
    stream = stream.add_elements([_removed(2 * HOUR, 1), _removed(2 * HOUR, 2)])
    stream = stream.advance_watermark_to(Timestamp(micros=1000 * 500_000 * HOUR))
    stream = stream.add_elements([_removed(2 * HOUR, 4)]).add_elements([_removed(499_990 * HOUR, 8)])
    with beam.Pipeline(BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"])) as pipeline:
        removed = pipeline | stream.advance_watermark_to_infinity()
        _ = removed | SumReceipts(playbook=parse_playbook(BARE), bounded=False) | beam.Map(_hear)
    assert sorted(row["removed"][0]["rows"] for row in _HEARD) == [3, 4, 8]
