"""What is published, when it counts as published, and what becomes of a bundle that failed."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing import test_stream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import TimestampedValue

from schemas.records import INSTANT
from transforms.publish_records import PUBLISHED, PublishRecords
from transforms.sinks.target import Messages, NotPublished
from transforms.write_outputs import Output

SCHEMA = pa.schema(
    [pa.field("tick", INSTANT), pa.field("root_kind", pa.string()), pa.field("root", pa.string())],
)
OUTPUTS = {name: Output(schema=SCHEMA, sort_by=("tick",)) for name in ("x", "y", "z")}


@dataclass(frozen=True)
class Memory:
    """A broker in this process; its bundles fail `failures` times.

    Attributes:
        name: Of the topic.
        failures: Flushes that fail, after half of the messages went out.
    """

    name: str
    failures: int = 0
    TOPICS: ClassVar[dict[str, list[tuple[str, bytes]]]] = defaultdict(list)
    FAILED: ClassVar[dict[str, int]] = defaultdict(int)

    def open(self) -> "Bundle":
        return Bundle(self)


class Bundle:
    """Keeps messages until the flush."""

    def __init__(self, target: Memory) -> None:
        self.target, self.kept = target, list[tuple[str, bytes]]()

    def send(self, messages: Messages) -> None:
        self.kept += zip(messages.keys, messages.texts, strict=True)

    def flush(self) -> None:
        topic = Memory.TOPICS[self.target.name]
        if Memory.FAILED[self.target.name] < self.target.failures:
            Memory.FAILED[self.target.name] += 1
            topic += self.kept[: len(self.kept) // 2]
            raise NotPublished(f"{self.target.name}: away")
        topic += self.kept


@pytest.fixture(autouse=True)
def _empty() -> None:
    Memory.TOPICS.clear()
    Memory.FAILED.clear()


def batch(tick: int, *roots: str) -> pa.RecordBatch:
    rows = [{"tick": tick + n, "root_kind": "household", "root": root} for n, root in enumerate(roots)]
    return pa.RecordBatch.from_pylist(rows, SCHEMA)


GIVEN = {"x": [batch(0, "a", "b", "a"), batch(10, "a")], "y": [batch(5, "c"), batch(9)]}
ACKNOWLEDGED = [("x", 3, 2), ("x", 1, 10), ("y", 1, 5)]


def test_all_is_out_when_it_says_so() -> None:
    pipeline = beam.Pipeline(FnApiRunner())
    records = {name: pipeline | name >> beam.Create(batches) for name, batches in GIVEN.items()}
    told = records | PublishRecords(targets={"x": Memory("t"), "y": Memory("u")}, outputs=OUTPUTS)
    assert_that(told, equal_to(ACKNOWLEDGED))
    result = pipeline.run()
    assert {name: len(messages) for name, messages in Memory.TOPICS.items()} == {"t": 4, "u": 1}
    counters = result.metrics().query(beam.metrics.MetricsFilter().with_namespace(PUBLISHED))["counters"]
    assert {one.key.metric.name: one.committed for one in counters} == {"x": 4, "y": 1}


def test_a_bundle_that_failed_is_published_again_and_then_counts_once() -> None:
    stream: Any = test_stream.TestStream().advance_watermark_to(0)
    for each in GIVEN["x"]:
        stream = stream.add_elements([TimestampedValue(each, 0)])
    pipeline = beam.Pipeline(BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"]))
    records = {"x": pipeline | stream.advance_watermark_to_infinity()}
    told = records | PublishRecords(targets={"x": Memory("t", failures=2)}, outputs=OUTPUTS)
    assert_that(told, equal_to(ACKNOWLEDGED[:2]))
    pipeline.run().wait_until_finish()
    assert Memory.FAILED["t"] == 2
    once = list(dict.fromkeys(Memory.TOPICS["t"]))
    assert len(Memory.TOPICS["t"]) > len(once) == 4
    ticks = [text for key, text in once if key == "household/a"]
    assert ticks == sorted(ticks)


def test_a_broker_that_stays_away_fails_the_run() -> None:
    pipeline = beam.Pipeline(FnApiRunner())
    _ = {"x": pipeline | beam.Create(GIVEN["x"])} | PublishRecords(
        targets={"x": Memory("t", failures=99)}, outputs=OUTPUTS
    )
    with pytest.raises(RuntimeError, match="t: away"):
        pipeline.run()


@pytest.mark.parametrize("outputs", [{}, {"x": Output(schema=SCHEMA, sort_by=("tick",), formats={})}])
def test_a_target_without_messages_is_refused(outputs: dict[str, Output]) -> None:
    with pytest.raises(ValueError, match="output x: nothing says what its messages are"):
        PublishRecords(targets={"x": Memory("t")}, outputs=outputs)
