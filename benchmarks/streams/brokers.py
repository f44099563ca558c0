"""The brokers that streams are measured between: topics of signals to fill, topics of offers to follow."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pipelines.engines.kafka import kafka
from pipelines.engines.pubsub import pubsub

NAMES = ("kafka", "pubsub")


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

    def make(self, *topics: str, ordered: bool = False) -> None:
        """Make topics, and what reads them; what is of `ordered` ones comes as it was sent, if that can be."""
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

    def close(self) -> None:
        """Let go of its clients."""
        ...


def reach(name: str, server: str) -> Broker:
    """Return a broker that runs, for another process."""
    if name == "kafka":
        from benchmarks.streams.on_kafka import OnKafka  # noqa: PLC0415 - a producer waits for the clients of one

        return OnKafka(server)
    from benchmarks.streams.on_pubsub import OnPubSub  # noqa: PLC0415 - the same

    os.environ["PUBSUB_EMULATOR_HOST"] = server
    return OnPubSub(server)


@contextmanager
def running(name: str, folder: Path) -> Iterator[Broker]:
    """Run a broker until the end of the context."""
    start: Mapping[str, Any] = {"kafka": kafka, "pubsub": pubsub}
    with start[name](folder) as started, closing(reach(name, started.address)) as broker:
        yield broker
