"""Kafka on this machine: one process that is broker and controller, its log in a folder."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.engines.children import Child, free_port, listening
from pipelines.engines.places import classpath, java

_CLUSTER = "c2VnbWVudC1vZi1vbmUtaw"
"""The number of the cluster, 16 bytes in base64: data of another one is refused."""

_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://localhost:{port},CONTROLLER://localhost:{controller}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


@dataclass(frozen=True)
class Kafka:
    """A broker that runs.

    Attributes:
        address: Where it is, as `localhost:9092`.
        child: Its process; what is in topics outlives a `kill` and a `start`.
    """

    address: str
    child: Child

    def create_topics(self, partitions: Mapping[str, int]) -> None:
        """Make topics, each with so many partitions, and wait until they are there."""
        from confluent_kafka.cimpl import NewTopic

        admin = self._admin()  # held, since what it was asked for ends with it
        for made in admin.create_topics([NewTopic(name, count, 1) for name, count in partitions.items()]).values():
            made.result(30)

    def wait(self, seconds: float = 180) -> None:
        """Return when it answers.

        Raises:
            LoadErrors: it ended, or does not answer in time.
        """
        self.child.wait_until(self._answers, seconds)

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException

        if not listening(int(self.address.rpartition(":")[2])):
            return False
        try:
            return bool(self._admin().list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def _admin(self) -> Any:
        from confluent_kafka.admin import AdminClient

        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})


@contextmanager
def kafka(folder: Path, *, port: int | None = None, controller_port: int | None = None) -> Iterator[Kafka]:
    """Run a broker until the end of the context.

    Args:
        folder: Its data, settings and log. What an earlier broker left there is gone on with.
        port: Where clients come; a free one by default.
        controller_port: Where brokers would talk to one another; a free one by default.

    Raises:
        LoadErrors: it is not on this machine, or does not start.
    """
    port, controller_port = port or free_port(), controller_port or free_port()
    jars, settings = classpath("kafka"), folder / "server.properties"
    folder.mkdir(parents=True, exist_ok=True)
    settings.write_text(_SETTINGS.format(port=port, controller=controller_port, data=folder / "data"), "utf-8")
    tool = [java(), "-Xmx256m", "-cp", jars, "kafka.tools.StorageTool", "format"]
    with Child(
        name="kafka-format",
        command=[*tool, "--ignore-formatted", "-t", _CLUSTER, "-c", str(settings)],
        logs=folder,
    ) as formatted:
        formatted.finish(60)
    command = [java(), "-Xmx512m", "-cp", jars, "kafka.Kafka", str(settings)]
    with Child(name="kafka", command=command, logs=folder) as child:
        broker = Kafka(f"localhost:{port}", child)
        broker.wait()
        yield broker
