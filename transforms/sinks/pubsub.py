"""Publishing to Google Pub/Sub: batches by ordering key, side by side, every one of them acknowledged."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

from google.api_core import exceptions
from google.cloud.pubsub_v1 import PublisherClient
from google.pubsub_v1 import PublisherClient as Api
from google.pubsub_v1 import PublishRequest, PubsubMessage

from transforms.sinks.google_retry import retry_for
from transforms.sinks.target import TIMEOUT, Messages, NotPublished

MOST_MESSAGES, MOST_BYTES = 1_000, 5_000_000
"""Of one request: what Pub/Sub takes, with room for attributes."""

KEPT_MESSAGES, KEPT_BYTES = 10_000, 32_000_000
"""That a sender keeps before it sends them."""

SIDE_BY_SIDE = 16
"""Requests of a process that wait for their answers."""


@dataclass(frozen=True)
class PubSubTarget:
    """A topic of Pub/Sub, or of its emulator where `PUBSUB_EMULATOR_HOST` says so.

    A request holds one ordering key only: with every row of another key some 1,000 messages a second go out of a
    process, without order some 10,000.

    Attributes:
        topic: `projects/PROJECT/topics/NAME`.
        ordered: Whether messages of one key keep their order; their subscription must ask for it, too.
        timeout: Seconds for which a request is tried again.
    """

    topic: str
    ordered: bool = True
    timeout: float = TIMEOUT

    def open(self) -> "PubSubSender":
        """Return what sends the messages of one bundle."""
        return PubSubSender(self)


@dataclass
class PubSubSender:
    """Keeps messages by key, and publishes the keys side by side and what is of one key in turn.

    Attributes:
        target: Where to.
    """

    target: PubSubTarget
    _kept: dict[str, list[PubsubMessage]] = field(default_factory=dict)
    _messages: int = 0
    _bytes: int = 0

    def send(self, messages: Messages) -> None:
        """Keep messages, and publish where many are kept: then it returns when they are acknowledged."""
        keys = messages.keys if self.target.ordered else [""] * len(messages.keys)
        for text, key, attributes in zip(messages.texts, keys, messages.attributes(), strict=True):
            message = PubsubMessage(data=text, ordering_key=key, attributes=attributes)
            self._kept.setdefault(key, []).append(message)
            self._messages, self._bytes = self._messages + 1, self._bytes + len(text)
            if self._messages >= KEPT_MESSAGES or self._bytes >= KEPT_BYTES:
                self.flush()

    def flush(self) -> None:
        """Publish what is kept and return when all of it is acknowledged."""
        kept, self._kept, self._messages, self._bytes = self._kept, {}, 0, 0
        for _ in _pool().map(self._publish, kept.values() if self.target.ordered else _requests(kept.get("", ()))):
            pass

    def _publish(self, messages: Sequence[PubsubMessage]) -> None:
        retry = retry_for(self.target.timeout)
        api = _api(os.environ.get("PUBSUB_EMULATOR_HOST"))
        for request in _requests(messages):
            try:
                api.publish(request=PublishRequest(topic=self.target.topic, messages=request), retry=retry)
            except exceptions.GoogleAPIError as error:
                raise NotPublished(f"{self.target.topic}: {len(request):,} messages did not go out: {error}") from error


def _requests(messages: Sequence[PubsubMessage]) -> Iterator[Sequence[PubsubMessage]]:
    """Yield the same messages in pieces that Pub/Sub takes; a message that is larger is a piece of its own."""
    first = size = 0
    for n, message in enumerate(messages):
        if n > first and (n - first == MOST_MESSAGES or size + len(message.data) > MOST_BYTES):
            yield messages[first:n]
            first, size = n, 0
        size += len(message.data)
    if messages:
        yield messages[first:]


@cache
def _api(_: str | None) -> Api:
    return Api(transport=PublisherClient().transport)  # the outer one knows the emulator


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="publish")
