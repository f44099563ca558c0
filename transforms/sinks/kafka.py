"""Publishing to Kafka: an idempotent producer, every delivery reported."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from transforms.sinks.target import TIMEOUT, Messages, NotPublished

SETTINGS = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 20,
    "partitioner": "murmur2_random",  # as clients in Java
    "queue.buffering.max.kbytes": 65_536,
}
"""Of the producer, unless the address says otherwise."""

log = logging.getLogger(__name__)

_PRODUCERS: dict[Any, Producer] = {}
_LOCK = Lock()


@dataclass(frozen=True)
class KafkaTarget:
    """A topic of Kafka.

    Attributes:
        servers: `host:port,host:port`.
        topic: Its name.
        client: Further settings of the client, by name: SASL, TLS. They may be secret, and are not shown.
        timeout: Seconds for which delivery is tried.
    """

    servers: str
    topic: str
    client: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = TIMEOUT

    def open(self) -> "KafkaSender":
        """Return what sends the messages of one bundle."""
        return KafkaSender(self)

    def producer(self) -> Producer:
        """Return the producer of this process."""
        with _LOCK:
            if self._named() not in _PRODUCERS:
                given = {"bootstrap.servers": self.servers, "delivery.timeout.ms": round(self.timeout * 1000)}
                _PRODUCERS[self._named()] = Producer(SETTINGS | given | dict(self.client), logger=log)
            return _PRODUCERS[self._named()]

    def forget(self) -> None:
        """Let the next bundle make a new producer: after a fatal error this one sends nothing any more."""
        with _LOCK:
            _PRODUCERS.pop(self._named(), None)

    def _named(self) -> Any:
        return self.servers, self.timeout, tuple(sorted(self.client.items()))


class KafkaSender:
    """Hands messages to the producer as they come, and counts what is reported of them."""

    def __init__(self, target: KafkaTarget) -> None:
        self._target, self._producer = target, target.producer()
        self._sent, self._reports = 0, list[KafkaError | None]()

    def send(self, messages: Messages) -> None:
        """Hand messages to the producer; waits where its queue is full."""
        for text, key, attributes in zip(messages.texts, messages.keys, messages.attributes(), strict=True):
            self._produce(text, key, list(attributes.items()))
            self._sent += 1
        self._producer.poll(0)

    def flush(self) -> None:
        """Return when every message of this sender was delivered."""
        until = time.monotonic() + self._target.timeout + 10
        while len(self._reports) < self._sent:
            self._producer.poll(0.05)
            if time.monotonic() > until:
                raise self._failed(f"{self._sent - len(self._reports):,} messages have no report")
        if errors := [error for error in self._reports if error is not None]:
            if any(error.fatal() for error in errors):
                self._target.forget()
            raise self._failed(f"{len(errors):,} messages did not go out: {errors[0]}")

    def _produce(self, text: bytes, key: str, headers: list[Any]) -> None:
        until = time.monotonic() + self._target.timeout
        while True:
            try:
                self._producer.produce(self._target.topic, text, key.encode(), headers=headers, on_delivery=self._told)
                return
            except BufferError as full:
                self._producer.poll(0.05)
                if time.monotonic() > until:
                    raise self._failed("the producer's queue stays full") from full
            except KafkaException as error:
                if error.args[0].fatal():
                    self._target.forget()
                raise self._failed(str(error)) from error

    def _told(self, error: KafkaError | None, _: Any) -> None:
        self._reports.append(error)  # by whichever thread polls

    def _failed(self, what: str) -> NotPublished:
        return NotPublished(f"kafka://{self._target.servers}/{self._target.topic}: {what}")
