"""Kafka, between whose topics streams are measured."""

import threading
from collections.abc import Iterator, Sequence
from time import time
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.streams.brokers import Arrived

PARTITIONS = 4
"""Of a topic of signals."""


class OnKafka:
    """Kafka."""

    name = "kafka"

    def __init__(self, server: str) -> None:
        """Take where it is."""
        self.server, self.scheme = server, f"kafka://{server}/"
        self._admin = AdminClient({"bootstrap.servers": server, "log_level": 0})
        self._producer: Any = None
        self._group: Any = None

    def make(self, *topics: str, ordered: bool = False) -> None:
        """Make topics; those of signals have some partitions, unless they are ordered."""
        alone = {name for name in topics if ordered or name.startswith("offers")}
        wanted = [NewTopic(name, 1 if name in alone else PARTITIONS, 1) for name in topics]
        for made in self._admin.create_topics(wanted).values():
            made.result(30)

    def send(self, topic: str, texts: Sequence[bytes]) -> None:
        """Send messages, which go round the partitions."""
        if self._producer is None:
            settings = {"linger.ms": 5, "queue.buffering.max.messages": 2_000_000, "batch.size": 1_000_000}
            round_robin = {
                "partitioner": "random",
                "sticky.partitioning.linger.ms": 0,
                "delivery.report.only.error": True,
            }
            self._producer = Producer({"bootstrap.servers": self.server, "log_level": 0, **settings, **round_robin})
        produce = self._producer.produce
        for text in texts:
            try:
                produce(topic, text)
            except BufferError:
                self._producer.flush()
                produce(topic, text)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until all is there."""
        if self._producer is not None and self._producer.flush(120):
            raise TimeoutError("Kafka does not take what it is sent")

    def follow(self, topic: str, stop: threading.Event) -> Iterator[list[Arrived]]:
        """Give what arrives on a topic of one partition."""
        consumer = Consumer({"bootstrap.servers": self.server, "group.id": "bench"})
        consumer.assign([TopicPartition(topic, 0, 0)])
        while not stop.is_set():
            records = consumer.consume(10_000, 0.01)
            now = int(time() * 1000)
            yield [Arrived(one.value() or b"", now, one.timestamp()[1]) for one in records if one.error() is None]
        consumer.close()

    def waiting(self, topic: str) -> int | None:
        """Return how far the group is behind."""
        if self._group is None:
            self._group = Consumer({"bootstrap.servers": self.server, "group.id": "segone"})
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        done = {one.partition: max(one.offset, 0) for one in self._group.committed(places, 10)}
        ends = {one.partition: self._group.get_watermark_offsets(one, 10, cached=False)[1] for one in places}
        return sum(ends.values()) - sum(done.values())

    def close(self) -> None:
        """Let go of its clients."""
        if self._group is not None:
            self._group.close()
