"""A broker on this machine for a while: Kafka where it is there, else the emulator of Pub/Sub."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from confluent_kafka import Producer
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

from pipelines.engines.kafka import Kafka, kafka
from pipelines.engines.pubsub import pubsub
from schemas.errors import LoadErrors

WAIT = 30.0  # seconds until what was sent must be there

Keyed = tuple[str, bytes]


class Broker(Protocol):
    """Takes messages, and says at which address others find them."""

    def make(self, topics: Iterable[str]) -> None:
        """Make topics."""
        ...

    def send(self, topic: str, messages: Iterable[Keyed]) -> None:
        """Send messages with their keys, and return when all are there."""
        ...

    def address(self, topic: str) -> str:
        """Return the address of a topic, to read and to publish."""
        ...


class OnKafka:
    """Topics of one partition."""

    def __init__(self, broker: Kafka) -> None:
        self._broker = broker
        self._producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 5, "log_level": 0})

    def make(self, topics: Iterable[str]) -> None:
        """Make topics."""
        self._broker.create_topics(dict.fromkeys(topics, 1))

    def send(self, topic: str, messages: Iterable[Keyed]) -> None:
        """Send messages."""
        for key, text in messages:
            self._producer.poll(0)
            self._producer.produce(topic, text, key)
        if self._producer.flush(WAIT):
            raise TimeoutError(f"{topic}: messages are not on Kafka after {WAIT:.0f} s")

    def address(self, topic: str) -> str:
        """Return where a topic is."""
        return f"kafka://{self._broker.address}/{topic}"


class OnPubSub:
    """Topics with one subscription of the same name each."""

    def __init__(self) -> None:
        self._publisher, self._subscriber = PublisherClient(), SubscriberClient()

    def make(self, topics: Iterable[str]) -> None:
        """Make topics and subscriptions."""
        for name in topics:
            topic, subscription = f"projects/town/topics/{name}", f"projects/town/subscriptions/{name}"
            self._publisher.create_topic(name=topic)
            self._subscriber.create_subscription(name=subscription, topic=topic)

    def send(self, topic: str, messages: Iterable[Keyed]) -> None:
        """Send messages; the emulator keeps no order of keys."""
        sent = [self._publisher.publish(f"projects/town/topics/{topic}", text) for _, text in messages]
        for one in sent:
            one.result(WAIT)

    def address(self, topic: str) -> str:
        """Return where a topic is."""
        return f"pubsub://town/{topic}"


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """Run the broker that is on this machine until the end of the context.

    Args:
        folder: For its data and log.

    Raises:
        LoadErrors: there is none; `make engines` fetches Kafka.
    """
    try:
        with kafka(folder) as started:
            yield OnKafka(started)
            return
    except LoadErrors as absent:
        missing = absent
    try:
        with pubsub(folder) as emulator:
            os.environ["PUBSUB_EMULATOR_HOST"] = emulator.address
            yield OnPubSub()
    except LoadErrors as absent:
        raise LoadErrors([*missing.errors, *absent.errors]) from absent
