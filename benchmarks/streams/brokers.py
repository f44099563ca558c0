"""The brokers that streams are measured between: topics of signals to fill, topics of offers to follow."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any, NamedTuple, Protocol

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines.engines.kafka import kafka
from pipelines.engines.pubsub import pubsub

NAMES = ("kafka", "pubsub")
PARTITIONS = 4
"""Of a topic of signals in Kafka."""

PROJECT = "local-project"
AT_ONCE = 1_000
"""Messages of one request to Pub/Sub."""


class Arrived(NamedTuple):
    """A message that a consumer got: its text, and when, milliseconds: by our clock, and by the broker's stamp."""

    text: bytes
    at: int
    stamp: int


class Broker(Protocol):
    """A broker that runs.

    Attributes:
        name: Of `NAMES`.
        server: Where it is.
        scheme: Of its addresses, with what stands before the name of a topic.
    """

    name: str
    server: str
    scheme: str

    def make(self, *topics: str) -> None:
        """Make topics, and what reads them."""
        ...

    def send(self, topic: str, texts: Sequence[bytes]) -> None:
        """Send messages; `flush` waits for them."""
        ...

    def flush(self) -> None:
        """Return when all that was sent is there."""
        ...

    def follow(self, topic: str, stop: threading.Event) -> Iterator[list[Arrived]]:
        """Give what arrives on a topic, until told to stop."""
        ...

    def waiting(self, topic: str) -> int | None:
        """Return how many signals nobody has acknowledged; None where the broker does not tell."""
        ...


class OnKafka:
    """Kafka."""

    name = "kafka"

    def __init__(self, server: str) -> None:
        """Take where it is."""
        self.server, self.scheme = server, f"kafka://{server}/"
        self._admin = AdminClient({"bootstrap.servers": server, "log_level": 0})
        self._producer: Any = None
        self._group: Any = None

    def make(self, *topics: str) -> None:
        """Make topics; those of signals have some partitions."""
        from confluent_kafka.cimpl import NewTopic

        wanted = [NewTopic(name, 1 if name.startswith("offers") else PARTITIONS, 1) for name in topics]
        for made in self._admin.create_topics(wanted).values():
            made.result(30)

    def send(self, topic: str, texts: Sequence[bytes]) -> None:
        """Send messages, which go round the partitions."""
        if self._producer is None:
            settings = {"linger.ms": 5, "queue.buffering.max.messages": 2_000_000, "batch.size": 1_000_000}
            round_robin = {
                "partitioner": "random",
                "sticky.partitioning.linger.ms": 10,
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
        if self._producer.flush(120):
            raise TimeoutError("Kafka does not take what it is sent")

    def follow(self, topic: str, stop: threading.Event) -> Iterator[list[Arrived]]:
        """Give what arrives on a topic of one partition."""
        consumer = Consumer({"bootstrap.servers": self.server, "group.id": "bench", "fetch.wait.max.ms": 10})
        consumer.assign([TopicPartition(topic, 0, 0)])
        while not stop.is_set():
            records = consumer.consume(10_000, 0.01)
            now = int(time() * 1000)
            yield [Arrived(one.value(), now, one.timestamp()[1]) for one in records if one.error() is None]
        consumer.close()

    def waiting(self, topic: str) -> int | None:
        """Return how far the group is behind."""
        if self._group is None:
            self._group = Consumer({"bootstrap.servers": self.server, "group.id": "segone"})
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        done = {one.partition: max(one.offset, 0) for one in self._group.committed(places, 10)}
        ends = {one.partition: self._group.get_watermark_offsets(one, 10, cached=False)[1] for one in places}
        return sum(ends.values()) - sum(done.values())


class OnPubSub:
    """The emulator of Pub/Sub, to which the environment sends clients."""

    name = "pubsub"

    def __init__(self, server: str) -> None:
        """Take where it is."""
        self.server, self.scheme = server, f"pubsub://{PROJECT}/"
        from google.cloud import pubsub_v1  # takes seconds, which a producer to Kafka need not wait for
        from google.pubsub_v1 import PublisherClient as Api

        self._publisher, self._subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
        self._api = Api(transport=self._publisher.transport)

    def make(self, *topics: str) -> None:
        """Make topics, each with a subscription of its name."""
        for name in topics:
            topic, read = f"projects/{PROJECT}/topics/{name}", f"projects/{PROJECT}/subscriptions/{name}"
            self._publisher.create_topic(name=topic)
            self._subscriber.create_subscription(name=read, topic=topic)

    def send(self, topic: str, texts: Sequence[bytes]) -> None:
        """Send messages, and wait for them."""
        from google.pubsub_v1 import PublishRequest, PubsubMessage

        message, request = PubsubMessage.pb(), PublishRequest.pb()
        for first in range(0, len(texts), AT_ONCE):
            messages = [message(data=text) for text in texts[first : first + AT_ONCE]]
            told = request(topic=f"projects/{PROJECT}/topics/{topic}", messages=messages)
            self._api.publish(request=PublishRequest.wrap(told), timeout=60)

    def flush(self) -> None:
        """Nothing is open."""

    def follow(self, topic: str, stop: threading.Event) -> Iterator[list[Arrived]]:
        """Give what arrives on a topic."""
        from google.api_core.exceptions import DeadlineExceeded

        name = f"projects/{PROJECT}/subscriptions/{topic}"
        while not stop.is_set():
            try:
                answer = self._subscriber.pull(subscription=name, max_messages=AT_ONCE, timeout=1, retry=None)
            except DeadlineExceeded:
                yield []
                continue
            now = int(time() * 1000)
            found = type(answer).pb(answer).received_messages
            if found:
                self._subscriber.acknowledge(subscription=name, ack_ids=[one.ack_id for one in found])
            yield [Arrived(one.message.data, now, one.message.publish_time.ToMilliseconds()) for one in found]

    def waiting(self, topic: str) -> int | None:
        """Return nothing: the emulator does not tell."""
        return None


def reach(name: str, server: str) -> Broker:
    """Return a broker that runs, for another process."""
    if name == "kafka":
        return OnKafka(server)
    os.environ["PUBSUB_EMULATOR_HOST"] = server
    return OnPubSub(server)


@contextmanager
def running(name: str, folder: Path) -> Iterator[Broker]:
    """Run a broker until the end of the context."""
    start: Mapping[str, Any] = {"kafka": kafka, "pubsub": pubsub}
    with start[name](folder) as started:
        yield reach(name, started.address)
