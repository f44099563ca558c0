"""The emulator of Pub/Sub, between whose topics streams are measured; the environment sends clients to it."""

import threading
from collections.abc import Iterator, Sequence
from time import time

from google.api_core.exceptions import DeadlineExceeded
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient as Api
from google.pubsub_v1 import PublishRequest, PubsubMessage

from benchmarks.streams.brokers import Arrived

PROJECT = "local-project"
AT_ONCE = 1_000
"""Messages of one request."""


class OnPubSub:
    """The emulator of Pub/Sub, to which the environment sends clients."""

    name = "pubsub"

    def __init__(self, server: str) -> None:
        """Take where it is."""
        self.server, self.scheme = server, f"pubsub://{PROJECT}/"

        self._publisher, self._subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
        self._api = Api(transport=self._publisher.transport)

    def make(self, *topics: str, ordered: bool = False) -> None:
        """Make topics, each with a subscription of its name."""
        for name in topics:
            topic, read = f"projects/{PROJECT}/topics/{name}", f"projects/{PROJECT}/subscriptions/{name}"
            self._publisher.create_topic(name=topic)
            self._subscriber.create_subscription(name=read, topic=topic)

    def send(self, topic: str, texts: Sequence[bytes]) -> None:
        """Send messages, and wait for them."""
        message, request = PubsubMessage.pb(), PublishRequest.pb()
        for first in range(0, len(texts), AT_ONCE):
            messages = [message(data=text) for text in texts[first : first + AT_ONCE]]
            told = request(topic=f"projects/{PROJECT}/topics/{topic}", messages=messages)
            self._api.publish(request=PublishRequest.wrap(told), timeout=60)

    def flush(self) -> None:
        """Nothing is open."""

    def follow(self, topic: str, stop: threading.Event) -> Iterator[list[Arrived]]:
        """Give what arrives on a topic."""
        name = f"projects/{PROJECT}/subscriptions/{topic}"
        while not stop.is_set():
            try:
                answer = self._subscriber.pull(subscription=name, max_messages=AT_ONCE, timeout=1, retry=None)
            except DeadlineExceeded:
                yield []
                continue
            now = int(time() * 1000)
            found = type(answer).pb(answer).received_messages
            if found:
                self._subscriber.acknowledge(subscription=name, ack_ids=[one.ack_id for one in found])
            yield [Arrived(one.message.data, now, one.message.publish_time.ToMilliseconds()) for one in found]

    def waiting(self, topic: str) -> int | None:
        """Return nothing: the emulator does not tell."""
        return None

    def close(self) -> None:
        """Let go of its clients."""
        self._subscriber.close()
        self._publisher.transport.close()
