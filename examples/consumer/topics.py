"""Offers from a topic: what is taken is acknowledged when it is done, else it comes again."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from confluent_kafka import Consumer
from google.api_core.exceptions import DeadlineExceeded
from google.cloud.pubsub_v1 import SubscriberClient

MOST = 1_000  # messages at once
WAIT = 1.0  # seconds for the first of them


class Topic(Protocol):
    """Gives messages, and is told when all that it gave so far is done."""

    def take(self) -> list[bytes]:
        """Return what is there; nothing after a second of silence."""
        ...

    def done(self) -> None:
        """Acknowledge what was taken."""
        ...

    def close(self) -> None:
        """Let others have what was not acknowledged."""
        ...


class KafkaTopic:
    """The partitions of a Kafka topic, shared with others of the group; one root's offers are in one partition."""

    def __init__(self, servers: str, topic: str, client: Mapping[str, str]) -> None:
        group = {"group.id": "example-consumer", "auto.offset.reset": "earliest", "enable.auto.commit": False}
        self._consumer = Consumer({"bootstrap.servers": servers} | group | dict(client))
        self._consumer.subscribe([topic])

    def take(self) -> list[bytes]:
        """Return what is there."""
        found = self._consumer.consume(MOST, WAIT)
        if failed := [each.error() for each in found if each.error()]:
            raise RuntimeError(f"Kafka: {failed[0]}")
        return [each.value() for each in found]

    def done(self) -> None:
        """Commit the offsets of what was taken."""
        self._consumer.commit(asynchronous=False)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()


class PubSubTopic:
    """A Pub/Sub subscription; let it be one with message ordering, so that a withdrawal comes after its offer."""

    def __init__(self, project: str, subscription: str) -> None:
        self._client, self._name = SubscriberClient(), f"projects/{project}/subscriptions/{subscription}"
        self._ack_ids: list[str] = []

    def take(self) -> list[bytes]:
        """Return what is there."""
        try:
            pulled = self._client.pull(subscription=self._name, max_messages=MOST, timeout=WAIT).received_messages
        except DeadlineExceeded:
            return []
        self._ack_ids += [each.ack_id for each in pulled]
        return [each.message.data for each in pulled]

    def done(self) -> None:
        """Acknowledge what was taken."""
        if self._ack_ids:
            self._client.acknowledge(subscription=self._name, ack_ids=self._ack_ids)
        self._ack_ids = []

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


def topic_of(address: str) -> Topic:
    """Return the topic of an address, as `segone run --signals` takes it, with options for the client of Kafka.

    Raises:
        ValueError: it is none.
    """
    parts, name = urlsplit(address), urlsplit(address).path.strip("/")
    if parts.scheme == "kafka" and parts.netloc and name:
        given = {key.removeprefix("client."): value for key, value in parse_qsl(parts.query)}
        return KafkaTopic(parts.netloc, name, given)
    if parts.scheme == "pubsub" and parts.netloc and name:
        return PubSubTopic(parts.netloc, name)
    raise ValueError(f"{address}: use kafka://HOST:PORT/TOPIC or pubsub://PROJECT/SUBSCRIPTION")
