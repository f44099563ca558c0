"""The yardstick as a stream of ordinary per-element Beam Python: the baseline, from a topic to a topic.

A reader gives single messages; what follows is `benchmarks.beam_per_element`; each offer is published as it comes.

Workers find its classes by the name of this module, so it is imported and called: `main`, with the arguments
BROKER SERVER SIGNALS OFFERS MESSAGES --engine prism|flink [BEAM OPTIONS]
"""

import argparse
import json
import logging
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from time import time
from typing import Any

import apache_beam as beam
from apache_beam import coders
from apache_beam.io.unbounded_source import CheckpointMark, ReadFromUnboundedSource, UnboundedReader, UnboundedSource
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp
from confluent_kafka import Consumer, TopicPartition
from google.cloud import pubsub_v1

from benchmarks.beam_per_element import offers_of
from benchmarks.streams.brokers import reach
from benchmarks.streams.on_kafka import PARTITIONS
from benchmarks.streams.on_pubsub import PROJECT
from pipelines.engines.running import running

GRACE_MS = 120_000
AT_ONCE = 1_000
"""Messages that are asked for at once; they are handed out one by one."""


class _Messages:
    """What a reader holds between bundles: clients are made once a process."""

    def __init__(self, broker: str, server: str, topic: str) -> None:
        self.waiting: deque[bytes] = deque()
        self.given, self.latest = 0, 0
        if broker == "kafka":
            self._consumer = Consumer({"bootstrap.servers": server, "group.id": "plain", "enable.auto.commit": False})
            self._consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
            self._more = self._from_kafka
        else:
            os.environ["PUBSUB_EMULATOR_HOST"] = server
            self._subscriber, self._name = pubsub_v1.SubscriberClient(), f"projects/{PROJECT}/subscriptions/{topic}"
            self._more = self._from_pubsub

    def next(self) -> dict[str, Any] | None:
        """Return the next event, None if there is none soon."""
        if not self.waiting:
            self.waiting.extend(self._more())
        if not self.waiting:
            return None
        if not self.given:
            print(f"first {time()}", flush=True)
        event: dict[str, Any] = json.loads(self.waiting.popleft())
        self.given, self.latest = self.given + 1, max(self.latest, event["event_time"])
        return event

    def _from_kafka(self) -> list[bytes]:
        return [one.value() or b"" for one in self._consumer.consume(AT_ONCE, 0.1) if one.error() is None]

    def _from_pubsub(self) -> list[bytes]:
        asked = {"subscription": self._name, "max_messages": AT_ONCE}
        found = self._subscriber.pull(**asked, timeout=10, retry=None).received_messages
        if found:
            self._subscriber.acknowledge(subscription=self._name, ack_ids=[one.ack_id for one in found])
        return [one.message.data for one in found]


@cache
def _messages(broker: str, server: str, topic: str) -> _Messages:
    return _Messages(broker, server, topic)


class _Mark(CheckpointMark):
    """Nothing: the process knows where it is, and what is measured is never restored."""

    def finalize_checkpoint(self) -> None:
        pass


@dataclass(frozen=True)
class _Topic(UnboundedSource):
    """A topic with so many messages, after which it ends."""

    broker: str
    server: str
    topic: str
    messages: int

    def split(self, desired_num_splits: int, options: Any = None) -> list[UnboundedSource]:
        return [self]

    def create_reader(self, options: Any, checkpoint_mark: CheckpointMark | None) -> UnboundedReader:
        return _Reader(_messages(self.broker, self.server, self.topic), self.messages)

    def get_checkpoint_mark_coder(self) -> coders.Coder:
        return coders.PickleCoder()

    def default_output_coder(self) -> coders.Coder:
        return coders.FastPrimitivesCoder()


class _Reader(UnboundedReader):
    """Gives one event after the other."""

    def __init__(self, messages: _Messages, count: int) -> None:
        self._messages, self._count, self._event = messages, count, dict[str, Any]()

    def start(self) -> bool:
        return self.advance()

    def advance(self) -> bool:
        event = self._messages.next() if self._messages.given < self._count else None
        self._event = event or {}
        return event is not None

    def get_current(self) -> dict[str, Any]:
        return self._event

    def get_current_timestamp(self) -> Timestamp:
        return Timestamp(micros=1000 * self._event["event_time"])

    def get_watermark(self) -> Timestamp:
        if self._messages.given >= self._count:
            return MAX_TIMESTAMP
        latest = self._messages.latest
        return Timestamp(micros=1000 * (latest - GRACE_MS)) if latest else MIN_TIMESTAMP

    def get_checkpoint_mark(self) -> CheckpointMark:
        return _Mark()


class _Publish(beam.DoFn):
    """Publishes each offer, and waits at the end of the bundle."""

    def __init__(self, broker: str, server: str, topic: str) -> None:
        self._told, self._topic = (broker, server), topic

    def process(self, line: str) -> Iterator[str]:
        _reached(*self._told).send(self._topic, [line.encode()])
        yield line

    def finish_bundle(self) -> None:
        _reached(*self._told).flush()


_reached = cache(reach)


def main() -> None:
    """Run it, the engine told the same as `segone run` tells it."""
    logging.getLogger().setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("broker", "server", "signals", "offers", "messages"):
        parser.add_argument(name)
    parser.add_argument("--engine", default="prism")
    args, options = parser.parse_known_args()
    with running(args.engine, options, stream=True) as told:
        pipeline = beam.Pipeline(options=PipelineOptions(told))
        topic = _Topic(args.broker, args.server, args.signals, int(args.messages))
        read = ReadFromUnboundedSource(topic, poll_interval=0, max_read_time_seconds=0.2)
        publish = beam.ParDo(_Publish(args.broker, args.server, args.offers))
        offers_of(pipeline | "Read" >> read) | "Publish" >> publish
        pipeline.run().wait_until_finish()
