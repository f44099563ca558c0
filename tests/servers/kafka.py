"""A broker of Kafka: one process, one node."""

import os
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from tests.servers.processes import Server, free_port

ROOT = Path(__file__).parents[2]
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:{controller}
listeners=PLAINTEXT://localhost:{port},CONTROLLER://localhost:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


class KafkaServer:
    """A running broker; what it holds stays in its folder when it is killed and started again.

    Attributes:
        servers: What clients connect to.
        server: Its process.
    """

    def __init__(self, classpath: str, folder: Path) -> None:
        """Make its folder."""
        port, controller = free_port(), free_port()
        self.servers = f"localhost:{port}"
        settings = folder / "server.properties"
        settings.write_text(_PROPERTIES.format(port=port, controller=controller, folder=folder))
        java = ["java", "-Xmx512m", "-cp", classpath]
        name = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        form = ["kafka.tools.StorageTool", "format", "-t", name, "-c", str(settings)]
        subprocess.run([*java, *form], check=True, capture_output=True)
        self.server = Server([*java, "kafka.Kafka", str(settings)], folder / "log", self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self._admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.servers, "log_level": 0})

    def topic(self, partitions: int = 1, **settings: str) -> str:
        """Make a topic of a name of its own."""
        name = f"topic-{uuid.uuid4().hex}"
        made = NewTopic(name, partitions, 1, config={key.replace("_", "."): text for key, text in settings.items()})
        self._admin.create_topics([made])[name].result(30)
        return name

    def add_partitions(self, topic: str, partitions: int) -> None:
        """Give a topic more partitions."""
        self._admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(30)

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


def kafka_classpath() -> str:
    """Return the jars, fetched if they are not there; skip the test where they cannot be had."""
    folder = Path(os.environ.get("SEGONE_ENGINES", ROOT / ".engines"))
    file, script = folder / "kafka.classpath", ROOT / "deploy" / "engines.sh"
    if shutil.which("java") is None:
        pytest.skip("NOT TESTED with Kafka: there is no `java` on the PATH")
    if not file.exists() and script.exists():
        subprocess.run([str(script), "kafka"], check=True)
    if not file.exists():
        pytest.skip(f"NOT TESTED with Kafka: there is no {file}; `make engines` fetches it")
    return file.read_text().strip()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker for the whole session; make a topic of your own."""
    found = KafkaServer(kafka_classpath(), tmp_path_factory.mktemp("kafka"))
    found.server.start()
    yield found
    found.server.kill()


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaServer]:
    """A broker of one test's own, to kill and to start again."""
    found = KafkaServer(kafka_classpath(), tmp_path)
    found.server.start()
    yield found
    found.server.kill()
