"""A broker of Kafka for tests: one process, one node."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from pipelines.engines.kafka import Kafka
from pipelines.engines.kafka import kafka as running_kafka
from pipelines.engines.places import classpath
from schemas.errors import LoadErrors


class KafkaServer:
    """A running broker, and what tests do with it.

    Attributes:
        broker: Its address and its process; what it holds outlives a kill and a start.
        servers: What clients connect to.
    """

    def __init__(self, broker: Kafka) -> None:
        """Take a broker that runs."""
        self.broker, self.servers = broker, broker.address

    def topic(self, partitions: int = 1) -> str:
        """Make a topic of a name of its own."""
        name = f"topic-{uuid.uuid4().hex}"
        self.broker.create_topics({name: partitions})
        return name

    def add_partitions(self, topic: str, partitions: int) -> None:
        """Give a topic more partitions."""
        self._admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(30)

    def delete_topic(self, topic: str) -> None:
        """Delete a topic."""
        self._admin.delete_topics([topic])[topic].result(30)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Let a partition begin later."""
        place = TopicPartition(topic, partition, offset)
        self._admin.delete_records([place])[place].result(30)

    def send(
        self, topic: str, values: Sequence[bytes | None], headers: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        """Send messages, which go round the partitions unless one is named, and wait until they are there."""
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 20, "sticky.partitioning.linger.ms": 0})
        for value in values:
            while True:
                try:
                    producer.produce(topic, value, headers=dict(headers) if headers else None, **options)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(60) == 0

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.servers, "log_level": 0})


def needs_kafka() -> None:
    """Skip a test loudly where there is no Kafka on this machine."""
    try:
        classpath("kafka")
    except LoadErrors as error:
        pytest.skip(f"NOT TESTED with Kafka: {error}")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker for the whole session; make a topic of your own."""
    needs_kafka()
    with running_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield KafkaServer(broker)


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaServer]:
    """A broker of one test's own, to kill and to start again."""
    needs_kafka()
    with running_kafka(tmp_path / "kafka") as broker:
        yield KafkaServer(broker)
