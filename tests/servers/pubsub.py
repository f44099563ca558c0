"""The emulator of Pub/Sub, part of the Google Cloud CLI."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from google.cloud import pubsub_v1

from tests.servers.processes import Server, free_port, listens

_HOST = "PUBSUB_EMULATOR_HOST"
_PROJECT = "local-project"


class PubSubServer:
    """A running emulator, which forgets everything when it ends.

    Attributes:
        host: What clients connect to, by the environment.
        server: Its process.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        """Choose a port."""
        port = free_port()
        self.host = f"localhost:{port}"
        command = [str(program), "--host=localhost", f"--port={port}"]
        self.server = Server(command, folder / "log", lambda: listens(port))
        self._publisher: pubsub_v1.PublisherClient | None = None

    def topic(self) -> str:
        """Make a topic of a name of its own; return its path."""
        path = f"projects/{_PROJECT}/topics/topic-{uuid.uuid4().hex}"
        self._publish().create_topic(name=path)
        return path

    def subscription(self, topic: str) -> str:
        """Make a subscription to a topic; return its path."""
        path = f"projects/{_PROJECT}/subscriptions/subscription-{uuid.uuid4().hex}"
        with pubsub_v1.SubscriberClient() as subscriber:
            subscriber.create_subscription(name=path, topic=topic)
        return path

    def send(self, topic: str, values: Sequence[bytes], attributes: Mapping[str, str] | None = None) -> None:
        """Publish messages and wait until they are there."""
        futures = [self._publish().publish(topic, value, **(attributes or {})) for value in values]
        for future in futures:
            future.result(60)

    def close(self) -> None:
        """Stop publishing, and the emulator."""
        if self._publisher is not None:
            self._publisher.stop()
        self.server.kill()

    def _publish(self) -> pubsub_v1.PublisherClient:
        if self._publisher is None:
            self._publisher = pubsub_v1.PublisherClient(
                pubsub_v1.types.BatchSettings(max_messages=1_000, max_latency=0.02)
            )
        return self._publisher


def emulator_program() -> Path:
    """Return the emulator; skip the test where the CLI is not installed."""
    gcloud = shutil.which("gcloud")
    if gcloud is None or shutil.which("java") is None:
        pytest.skip("NOT TESTED with Pub/Sub: there is no `gcloud` or no `java` on the PATH")
    asked = [gcloud, "info", "--format=value(installation.sdk_root)"]
    root = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    program = Path(root, "platform", "pubsub-emulator", "bin", "cloud-pubsub-emulator")
    if not program.exists():
        pytest.skip("NOT TESTED with Pub/Sub: `gcloud components install pubsub-emulator` brings its emulator")
    return program


@pytest.fixture(scope="session")
def pubsub_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSubServer]:
    """An emulator for the whole session, which all clients of Pub/Sub talk to; make a topic of your own."""
    found = PubSubServer(emulator_program(), tmp_path_factory.mktemp("pubsub"))
    found.server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(_HOST, found.host)
        yield found
    found.close()
