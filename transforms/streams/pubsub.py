"""A subscription of Pub/Sub as a puller: done as acknowledgements."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from transforms.streams.feed import Feed
from transforms.streams.messages import parse_messages
from transforms.streams.pubsub_client import LEASE, PubSubClient
from transforms.streams.pull import Position, Pulled
from transforms.streams.registry import registry

_CLIENTS: dict[str, PubSubClient] = {}
_LEASED = "leased by a process before"
_LOCK = threading.Lock()


@dataclass(frozen=True)
class PubSubPuller:
    """Reads a subscription, which remembers itself what is not acknowledged.

    A position tells no more than what this process has given out up to it: an older one gives the rest back, so that
    the service sends it again; one of another process has nothing here. There is one partition, without a name.
    A process that died may still have leases: its messages come when these end. So for a while after the start there is
    a second partition, from which nothing comes and which holds the watermark, and silence ends nothing. So it is while
    the service does not answer.

    Attributes:
        feed: What is in the messages.
        subscription: `projects/PROJECT/subscriptions/NAME`.
        linger: Milliseconds to wait for a fuller block.
        settle: Milliseconds from the first pull of a process on in which leases of another may end; 0: there is none.
    """

    feed: Feed
    subscription: str
    linger: int = 100
    settle: int = 1_000 * LEASE + 5_000

    def pull(self, position: Position) -> Pulled:
        """Return what is there.

        Raises:
            LoadErrors: what will not pass by itself: no such subscription, no access.
        """
        client = self._client()
        messages, acks, behind = client.read(position, self.linger)
        blocks, rejected = parse_messages(messages, self.feed, registry(self.feed.registry))
        alone = client.age >= self.settle
        partitions = [""] if alone else ["", _LEASED]
        return Pulled(blocks, rejected, behind, acks or None, partitions, alone and client.answers)

    def done(self, acks: Sequence[Sequence[str]]) -> None:
        """Acknowledge messages, those of another process too."""
        if ids := [ack for some in acks for ack in some]:
            self._client().acknowledge(ids)

    def _client(self) -> PubSubClient:
        with _LOCK:
            if self.subscription not in _CLIENTS:
                _CLIENTS[self.subscription] = PubSubClient(self.feed.address, self.subscription)
            return _CLIENTS[self.subscription]


def close_pubsub() -> None:
    """Close all clients of the process, which gives back what is open; the next pull makes new ones."""
    with _LOCK:
        while _CLIENTS:
            _CLIENTS.popitem()[1].close()
