"""Brokers of a case: its topics, what was published there, and what nobody acknowledged."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from confluent_kafka import Consumer, TopicPartition
from google.api_core.exceptions import DeadlineExceeded
from google.cloud import pubsub_v1

from tests.crashes.days import PUBLISHED, Line
from tests.servers.kafka import KafkaServer
from tests.servers.pubsub import PubSubServer
from transforms.streams.pubsub_client import LEASE

PARTITIONS = 3
"""Of the topic of usage; others have one."""

OPTIONS = "replay&idle=1h&ends={}"
"""Of addresses, with the silence at which they end."""

Message = tuple[str, bytes]
"""An id and a text."""


class Broker(Protocol):
    """What a case asks of a broker."""

    def signals(self, ends: str) -> list[str]:
        """Return the addresses of signals, which end after such a silence."""
        ...

    def outputs(self) -> list[str]:
        """Return the addresses of outputs."""
        ...

    def send(self, lines: Sequence[Line]) -> None:
        """Send signals, and wait until they are there."""
        ...

    def published(self, output: str) -> list[Message]:
        """Return all messages of an output; called once for each."""
        ...

    def unacknowledged(self) -> int:
        """Return how many signals would come again."""
        ...


@dataclass(frozen=True)
class OnKafka:
    """Topics of Kafka."""

    server: KafkaServer
    names: tuple[str, ...]

    @cached_property
    def _topics(self) -> dict[str, str]:
        parts = {name: PARTITIONS if name == "usage" else 1 for name in (*self.names, *PUBLISHED)}
        return {name: self.server.topic(count) for name, count in parts.items()}

    def signals(self, ends: str) -> list[str]:
        """Return the addresses of signals, which end after such a silence."""
        topics = {name: self._topics[name] for name in self.names}
        said = OPTIONS.format(ends)
        return [f"{name}=kafka://{self.server.servers}/{one}?{said}&group={one}" for name, one in topics.items()]

    def outputs(self) -> list[str]:
        """Return the addresses of outputs."""
        return [f"{name}=kafka://{self.server.servers}/{self._topics[name]}" for name in PUBLISHED]

    def send(self, lines: Sequence[Line]) -> None:
        """Send signals; clocks to all partitions."""
        for name in self.names:
            for part in range(PARTITIONS if name == "usage" else 1):
                mine = [text for _, of, text in lines if of == name and _part_of(text, name) in (part, None)]
                self.server.send(self._topics[name], mine, partition=part)

    def published(self, output: str) -> list[Message]:
        """Read a topic from its beginning to its end."""
        consumer, place = self._consumer("reader"), TopicPartition(self._topics[output], 0, 0)
        count = consumer.get_watermark_offsets(place, timeout=30)[1]
        consumer.assign([place])
        found: list[Message] = []
        while len(found) < count:
            for message in consumer.consume(count - len(found), 1.0):
                found.append((dict(message.headers())["id"].decode(), message.value()))
        consumer.close()
        return found

    def unacknowledged(self) -> int:
        """Return how far the groups are behind."""
        behind = 0
        for name in self.names:
            consumer = self._consumer(self._topics[name])
            parts = [TopicPartition(self._topics[name], n) for n in range(PARTITIONS if name == "usage" else 1)]
            for place in consumer.committed(parts, timeout=30):
                behind += consumer.get_watermark_offsets(place, timeout=30)[1] - max(place.offset, 0)
            consumer.close()
        return behind

    def _consumer(self, group: str) -> Consumer:
        told = {"bootstrap.servers": self.server.servers, "group.id": group, "enable.auto.commit": False}
        return Consumer({**told, "log_level": 0})


def _part_of(text: bytes, name: str) -> int | None:
    """Return the partition of a signal, None for a clock: it goes to all, and counts once."""
    if name != "usage":
        return 0
    subject = text.partition(b'"subject":')[2].partition(b",")[0].strip()
    return None if b"clock" in subject else sum(subject) % PARTITIONS


@dataclass(frozen=True)
class OnPubSub:
    """Topics of Pub/Sub with a subscription each."""

    server: PubSubServer
    names: tuple[str, ...]

    @cached_property
    def _topics(self) -> dict[str, tuple[str, str]]:
        topics = {name: self.server.topic() for name in (*self.names, *PUBLISHED)}
        return {name: (topic, self.server.subscription(topic)) for name, topic in topics.items()}

    def signals(self, ends: str) -> list[str]:
        """Return the addresses of signals, which end after such a silence."""
        return [f"{name}={_address(self._topics[name][1])}?{OPTIONS.format(ends)}" for name in self.names]

    def outputs(self) -> list[str]:
        """Return the addresses of outputs."""
        return [f"{name}={_address(self._topics[name][0])}" for name in PUBLISHED]

    def send(self, lines: Sequence[Line]) -> None:
        """Send signals."""
        for name in self.names:
            self.server.send(self._topics[name][0], [text for _, of, text in lines if of == name])

    def published(self, output: str) -> list[Message]:
        """Pull until nothing comes."""
        return [(message.attributes["id"], message.data) for message in _pulled(self._topics[output][1], 5.0)]

    def unacknowledged(self) -> int:
        """Return what still comes until all leases are over."""
        until = time.monotonic() + LEASE + 2.0
        found = 0
        while time.monotonic() < until:
            found += sum(len([*_pulled(self._topics[name][1], 0.5)]) for name in self.names)
        return found


def _address(path: str) -> str:
    _, project, _, short = path.split("/")
    return f"pubsub://{project}/{short}"


def _pulled(subscription: str, seconds: float) -> Iterable[pubsub_v1.types.PubsubMessage]:
    assert "PUBSUB_EMULATOR_HOST" in os.environ
    with pubsub_v1.SubscriberClient() as client:
        while True:
            try:
                pulled = client.pull(subscription=subscription, max_messages=1_000, timeout=seconds, retry=None)
            except DeadlineExceeded:
                return
            if not pulled.received_messages:
                return
            acks = [each.ack_id for each in pulled.received_messages]
            client.acknowledge(subscription=subscription, ack_ids=acks)
            yield from (each.message for each in pulled.received_messages)
