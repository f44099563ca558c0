"""A topic of Kafka as a puller: all its partitions, positions as offsets, done as the group's offsets."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transforms.streams.feed import Feed
from transforms.streams.kafka_client import KafkaClient
from transforms.streams.messages import parse_messages
from transforms.streams.pull import Position, Pulled
from transforms.streams.registry import registry

_CLIENTS: dict[tuple[Any, ...], KafkaClient] = {}
_LOCK = threading.Lock()


@dataclass(frozen=True)
class KafkaPuller:
    """Reads a topic.

    A position is the next offset of each partition, as `{"0": 17}`; an empty one is where the group stands, else
    `start`. Partitions that come to be are read from their beginning. `done` commits the group's offsets, which never
    go back. Publish time is the record's timestamp. Records that the broker deleted before they were read are rejected
    as `deleted_before_read`.

    Attributes:
        feed: What is in the messages.
        servers: `host:port,host:port`.
        topic: The topic.
        group: The consumer group, which commits and does not share: all partitions are read here.
        start: Where a group starts that has committed nothing: `earliest`, `latest` or an instant, milliseconds.
        client: Settings of librdkafka, such as `security.protocol`.
        linger: Milliseconds to wait for a fuller block.
    """

    feed: Feed
    servers: str
    topic: str
    group: str
    start: str | int = "earliest"
    client: Mapping[str, str] = field(default_factory=dict, repr=False)
    linger: int = 100

    def pull(self, position: Position) -> Pulled:
        """Return what is there.

        Raises:
            LoadErrors: what will not pass by itself: no such topic, no access, no broker at the first pull, a
                partition that the broker cannot give.
        """
        client = self._client()
        messages, lost, behind = client.read(position, self.linger)
        blocks, rejected = parse_messages(messages, self.feed, registry(self.feed.registry), lost)
        acks = behind if messages or lost else None
        return Pulled(blocks, rejected, behind, acks, client.partitions, client.answers)

    def done(self, acks: Sequence[Mapping[str, int]]) -> None:
        """Commit the greatest offset of each partition."""
        offsets: dict[str, int] = {}
        for each in acks:
            for name, at in each.items():
                offsets[name] = max(at, offsets.get(name, at))
        if offsets:
            self._client().commit(offsets)

    def _client(self) -> KafkaClient:
        settings = {**self.client, "bootstrap.servers": self.servers, "group.id": self.group}
        key = (self.topic, self.start, *sorted(settings.items()))
        with _LOCK:
            if key not in _CLIENTS:
                _CLIENTS[key] = KafkaClient(self.feed.address, self.topic, self.start, settings)
            return _CLIENTS[key]


def close_kafka() -> None:
    """Close all clients of the process; the next pull makes new ones."""
    with _LOCK:
        while _CLIENTS:
            _CLIENTS.popitem()[1].close()
