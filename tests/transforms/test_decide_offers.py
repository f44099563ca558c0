"""DecideOffers: the shell gives what the core gives, on bounded and on unbounded input."""

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing import test_stream
from apache_beam.testing.util import assert_that
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.playbook_file import parse_playbook
from schemas.records import FACT
from transforms.compiler.offer_plan import load_offers
from transforms.decide_offers import DecideOffers
from transforms.decision.decide import decide
from transforms.shell.packed_batch import PackedBatch, ShardBatch

MINUTE = 60_000
PLAYBOOK = parse_playbook(
    """
playbook: town
signals: [balance, membership]
subscriber:
  features: {left_mb: {last: remaining_mb, from: balance}}
  moments: {out: {when: left_mb < 500}, low: {when: left_mb < 1000}}
household:
  features: {topups: {count: any, from: balance, window: 1h}}
  segments: {busy: {enter: topups > 9}}
offers:
  small: {for: [subscriber.low, subscriber.out], family: data, owner: us, value: 1000 - left_mb, p_accept: 0.5,
          eligible: NOT household.busy, send: [app], valid_for: 6h, cooldown: 3m, params: {left_mb: left_mb}}
"""
)
PLAN = load_offers(PLAYBOOK, "shadow")


def triggers_of(rows: Iterable[tuple[str, str, int, float]]) -> pa.RecordBatch:
    """Return a trigger batch of (subject, trigger, minute, left_mb)."""
    records = [
        {
            "subject": subject,
            "trigger": f"subscriber.{trigger}",
            "tick": minute * MINUTE,
            "late": False,
            "root_kind": "household" if subject == "r" else "subscriber",
            "root": "h" if subject == "r" else subject,
            "recipient": subject,
            "household": "h" if subject == "r" else None,
            "evidence": {"left_mb": left},
            "segments": [],
            "context": {"left_mb": left},  # of a subscriber: `topups` is NULL
        }
        for subject, trigger, minute, left in rows
    ]
    metadata = {b"signal": b"trigger", b"subject_kind": b"subscriber"}
    return pa.RecordBatch.from_pylist(records, schema=PLAN.triggers.with_metadata(metadata))


ROWS = [
    ("p", "low", 1, 900.0),
    ("p", "out", 1, 400.0),
    ("p", "low", 3, 800.0),
    ("p", "low", 4, 700.0),
    ("q", "low", 2, 600.0),
    ("q", "out", 9, 100.0),
    ("r", "low", 5, 600.0),
    ("r", "low", 7, 600.0),
]
BUSY = {"root_kind": "household", "root": "h", "subject_kind": "household", "subject": "h", "segment": "household.busy"}
FACTS = [
    pa.RecordBatch.from_pylist([BUSY | {"member": minute == 4, "tick": minute * MINUTE}], FACT) for minute in (4, 7)
]
EXPECTED = decide(PLAN, None, [triggers_of(ROWS), *FACTS], 9 * MINUTE).decisions


def shards_of(minutes: Iterable[int]) -> list[ShardBatch]:
    """Return what happens at some minutes, a packed batch each."""
    batches = [("pqr".index(row[0]), triggers_of([row])) for row in ROWS if row[2] in minutes]
    batches += [(2, batch) for batch in FACTS if batch["tick"][0].as_py() // MINUTE in minutes]
    return [(shard, PackedBatch.of(batch, "tick")) for shard, batch in batches]


def expect(decisions: pa.Table) -> Any:
    """Return a matcher of batches of decisions, in any order."""

    def check(batches: list[pa.RecordBatch]) -> None:
        table = pa.Table.from_batches(batches).sort_by([("tick", "ascending"), ("decision_id", "ascending")])
        wanted = decisions.sort_by([("tick", "ascending"), ("decision_id", "ascending")])
        assert table.equals(wanted), table.to_pylist()

    return check


def test_the_core_decides_as_meant() -> None:
    rows = EXPECTED.select(["subject", "trigger", "action", "mode"]).to_pylist()
    told = [(row["subject"], row["trigger"].split(".")[1], row["action"]) for row in rows]
    assert sorted(told[:2]) == [("p", "low", "outranked"), ("p", "out", "offer")]
    assert told[2:] == [
        ("q", "low", "offer"),
        ("p", "low", "no_offer"),
        ("p", "low", "offer"),
        ("r", "low", "no_offer"),
        ("r", "low", "offer"),
        ("q", "out", "offer"),
    ]
    assert {row["mode"] for row in rows} == {"shadow"}


def test_a_bounded_run_gives_what_the_core_gives() -> None:
    with beam.Pipeline(FnApiRunner(), options=PipelineOptions([])) as pipeline:
        triggers = pipeline | beam.Create(list(reversed(shards_of(range(12)))))
        made = triggers | DecideOffers(playbook=PLAYBOOK, bounded=True, mode="shadow")
        assert_that(made["decisions"], expect(EXPECTED), label="decisions")
        ids = made["offers"] | beam.FlatMap(lambda batch: batch["id"].to_pylist())
        sent = EXPECTED.filter(pa.compute.field("action") == "offer")["decision_id"].to_pylist()
        assert_that(ids, lambda found: sorted(found) == sorted(sent) or pytest.fail(str(found)), label="offers")


def test_an_unbounded_run_gives_what_the_core_gives() -> None:
    stream = test_stream.TestStream().advance_watermark_to(Timestamp(0))
    for minute in range(1, 12):
        for shard, packed in shards_of([minute]):
            stream = stream.add_elements([TimestampedValue((shard, packed), Timestamp(minute * 60))])
        stream = stream.advance_watermark_to(Timestamp(minute * 60 + 30))
    options = PipelineOptions(["--streaming"])
    with beam.Pipeline(BundleBasedDirectRunner(), options=options) as pipeline:
        triggers = pipeline | stream.advance_watermark_to_infinity() | beam.Map(lambda element: element)
        made = triggers | DecideOffers(playbook=PLAYBOOK, bounded=False, mode="shadow")
        assert_that(made["decisions"], expect(EXPECTED))


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="no mode 'test'; use one of live, backfill, shadow, simulated"):
        DecideOffers(playbook=PLAYBOOK, bounded=True, mode="test")
