"""Messages that Beam reads: blocked, and mapped as our own reader maps them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing import test_stream
from apache_beam.testing.util import assert_that
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.contracts import contract
from schemas.sources import Source
from tests.transforms.signals_run import PAYLOAD
from transforms.parse_messages import ParseMessages, Subscribed, _Parse
from transforms.parsing.mapping import compile_mapper
from transforms.parsing.parser import Parsing
from transforms.parsing.raw_types import made_fields, raw_types
from transforms.shell.arrow_coder import from_ipc
from transforms.shell.lingering import Gather, LaneBytes, Linger, message_of, unpack
from transforms.streams.feed import Feed, Message
from transforms.streams.pull import MOST_ROWS

USAGE = Source(contract("usage"))
NOON = 1_772_449_200_000  # 2026-03-02T11:00:00Z
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def feed() -> Feed:
    types = raw_types(USAGE, made_fields(USAGE, PAYLOAD))
    compile_mapper(USAGE, made_fields(USAGE, PAYLOAD), types)
    return Feed(source=USAGE, types=types, address="pubsub://p/usage", unit="message")


def subscribed() -> Subscribed:
    parsing = Parsing(
        sources={"usage": USAGE},
        payloads={"usage": PAYLOAD},
        kinds=frozenset({"subscriber"}),
        earliest=0,
        as_of=0,
        max_ahead=60_000,
        tick=60_000,
        shards=2,
    )
    return Subscribed(feed=feed(), parsing=parsing)


def row(name: str, time: int = NOON) -> dict[str, Any]:
    return {"id": name, "time": time, "subject": f"s{name}", "mb": 1.5, "kind": "data"}


def message(data: Any, number: int = 1, published: int = NOON, **attributes: str) -> TimestampedValue:
    told = datetime.fromtimestamp(published / 1000, UTC)
    made = PubsubMessage(json.dumps(data).encode(), attributes, str(number), told)
    return TimestampedValue(made, Timestamp(micros=1000 * published))


def binary(name: str) -> TimestampedValue:
    given = {"specversion": "1.0", "id": name, "source": "/app", "type": "usage", "time": "2026-03-02T11:00:00Z"}
    data = {"subject": f"s{name}", "mb": 1.5, "kind": "data"}
    return message(data, **{f"ce-{key}": value for key, value in given.items()}, traceparent=TRACE)


def structured(name: str) -> TimestampedValue:
    event = {"specversion": "1.0", "id": name, "source": "/app", "type": "usage", "subject": f"s{name}"}
    return message({**event, "data": {"time": NOON, "mb": 1.5, "kind": "data"}})


def test_signals_and_rejected_are_those_of_our_reader() -> None:
    """Bare, structured and binary, a trace, one that is too far ahead of its publishing, and one that is none."""
    given = [message(row("a")), structured("b"), binary("c"), message(row("d", NOON + 120_000)), message(17, 23)]
    given.append(message(row("e", NOON + 120_000), published=NOON + 90_000))

    def signals(found: Any) -> None:
        rows = [each for _, packed in found for each in packed.open().to_pylist()]
        assert sorted(each["id"] for each in rows) == ["a", "b", "c", "e"]
        assert {each["id"]: each.get("traceparent") for each in rows}["c"] == TRACE

    def rejected(found: Any) -> None:
        rows = [each for batch in found for each in batch.to_pylist()]
        assert sorted((each["position"], each["reason"]) for each in rows) == [
            ("message 1", "beyond_max_ahead"),
            ("message 23", "wrong_type"),
        ]

    with beam.Pipeline(FnApiRunner()) as pipeline:
        read = {"usage": pipeline | beam.Create([each.value for each in given])} | ParseMessages(
            subscribed={"usage": subscribed()}
        )
        assert_that(read.signals, signals, label="signals")
        assert_that(read.rejected, rejected, label="rejected")


def test_messages_wait_for_others_until_the_watermark_passes_their_slot() -> None:
    stream: Any = test_stream.TestStream().advance_watermark_to(NOON / 1000)
    stream = stream.add_elements([message(row("a"), published=NOON + 10)])
    stream = stream.add_elements([message(row("b"), published=NOON + 40)]).advance_watermark_to((NOON + 60) / 1000)
    stream = stream.add_elements([message(row("c"), published=NOON + 90)]).advance_watermark_to((NOON + 300) / 1000)
    stream = stream.add_elements([message(row("late"), published=NOON + 20)])
    stream = stream.add_elements([message(row("d"), published=NOON + 310)]).advance_watermark_to((NOON + 500) / 1000)
    stream = stream.advance_watermark_to_infinity()

    def check(found: Any) -> None:
        blocks = [[json.loads(one.value)["id"] for block in blocks for one in unpack(block)] for _, blocks in found]
        assert blocks == [["a", "b", "c"], ["late"], ["d"]]

    with beam.Pipeline(BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"])) as pipeline:
        gathered = pipeline | stream | beam.ParDo(Gather("usage", 1)).with_output_types(LaneBytes)
        assert_that(gathered | beam.ParDo(Linger({"usage": 100})), check)


def test_a_block_has_no_more_than_it_may() -> None:
    gather = Gather("usage", 2)
    gather.setup()
    gather.start_bundle()
    one = message(row("a"), published=NOON)
    made = [gather.process(one.value, one.timestamp) for _ in range(MOST_ROWS + 1)]
    (full,) = [block for blocks in made if blocks for block in blocks]
    (rest,) = gather.finish_bundle()
    assert [len(unpack(each.value[1])) for each in (full, rest)] == [MOST_ROWS, 1]
    assert [each.value[0] for each in (full, rest)] == [("usage", 0), ("usage", 1)]
    assert [*gather.finish_bundle()] == []


def test_a_flood_of_rejected_messages_is_told_as_of_their_publishing() -> None:
    gather, parse = Gather("usage", 1), _Parse({"usage": replace(subscribed(), alert_rejected=0.5, reader="/x")})
    for one in (gather, parse):
        one.setup()
    gather.start_bundle()
    for one in (message(17, number, NOON + number) for number in range(30)):
        assert gather.process(one.value, one.timestamp) is None
    (block,) = gather.finish_bundle()
    (made,) = parse.process(("usage", [block.value[1]]))
    (told,) = [from_ipc(content).to_pylist()[0] for tag, _, content in made.parts if tag == "operations"]
    assert (told["kind"], told["source"], told["count"], told["most"]) == ("rejects_flood", "/x", 30, 19)
    assert told["time"].timestamp() * 1_000 == NOON + 29


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (message({}, 7).value, Message(b"{}", {}, "", 7, NOON)),
        (PubsubMessage(b"x", None), Message(b"x", {}, "", -1, 5)),
        (PubsubMessage(None, {"a": "b"}, "no-number"), Message(b"", {"a": "b"}, "", -1, 5)),
    ],
)
def test_a_message_is_that_of_our_reader(given: PubsubMessage, expected: Message) -> None:
    assert message_of(given, Timestamp(micros=5_000)) == expected
