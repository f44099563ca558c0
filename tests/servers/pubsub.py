"""The emulator of Pub/Sub for tests."""

import os
import signal
import uuid
from collections.abc import Iterator, Mapping, Sequence

import pytest
from google.cloud import pubsub_v1

from pipelines.engines.pubsub import PubSub, emulator, pubsub
from schemas.errors import LoadErrors

_PROJECT = "local-project"


class PubSubServer:
    """A running emulator, and what tests do with it; all clients of the process talk to it.

    Attributes:
        emulator: Its address and its process; it forgets everything when it ends.
    """

    def __init__(self, running: PubSub) -> None:
        """Take an emulator that runs, to which the environment sends clients."""
        self.emulator = running
        self._publisher = pubsub_v1.PublisherClient(pubsub_v1.types.BatchSettings(max_messages=1_000, max_latency=0.02))

    def topic(self) -> str:
        """Make a topic of a name of its own; return its path."""
        path = f"projects/{_PROJECT}/topics/topic-{uuid.uuid4().hex}"
        self._publisher.create_topic(name=path)
        return path

    def subscription(self, topic: str) -> str:
        """Make a subscription to a topic; return its path."""
        path = f"projects/{_PROJECT}/subscriptions/subscription-{uuid.uuid4().hex}"
        with pubsub_v1.SubscriberClient() as subscriber:
            subscriber.create_subscription(name=path, topic=topic)
        return path

    def send(self, topic: str, values: Sequence[bytes], attributes: Mapping[str, str] | None = None) -> None:
        """Publish messages and wait until they are there."""
        futures = [self._publisher.publish(topic, value, **(attributes or {})) for value in values]
        for future in futures:
            future.result(60)

    def pause(self) -> None:
        """Let it answer nobody: an outage."""
        os.killpg(self.emulator.child.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """End the outage."""
        os.killpg(self.emulator.child.pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop publishing."""
        self._publisher.stop()


@pytest.fixture(scope="session")
def pubsub_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSubServer]:
    """An emulator for the whole session; make a topic of your own. Skips loudly where there is none."""
    try:
        emulator()
    except LoadErrors as error:
        pytest.skip(f"NOT TESTED with Pub/Sub: {error}")
    with pubsub(tmp_path_factory.mktemp("pubsub")) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUBSUB_EMULATOR_HOST", running.address)
        server = PubSubServer(running)
        yield server
        server.close()
