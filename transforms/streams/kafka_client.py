"""A consumer of one topic that stands where it is told to, and commits what is done; one a process."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from schemas.errors import LoadErrors
from transforms.parsing.raw import Rejection, place_of
from transforms.streams.feed import Message
from transforms.streams.kafka_errors import DOWN, kafka_error, kafka_library, passes, stays
from transforms.streams.kafka_topic import ANSWER, KafkaTopic, Offsets
from transforms.streams.pull import MOST_ROWS

LOOK = 30.0
"""Seconds between looks for new partitions."""

SOON = 2.0
"""Seconds for an answer that can wait."""

_SETTINGS = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "fetch.wait.max.ms": 50,
    "queued.min.messages": 100_000,
    "reconnect.backoff.max.ms": 2_000,
}
_NONE: Mapping[str, Any] = {}
_log = logging.getLogger(__name__)


class KafkaClient:
    """Reads all partitions of a topic; safe between threads.

    Attributes:
        answers: Whether the brokers of all partitions do, as far as is known: silence says nothing while one is away.
    """

    def __init__(self, address: str, topic: str, start: str | int, settings: Mapping[str, Any]) -> None:
        """Make a consumer, which connects by itself.

        Args:
            address: Of the topic, for people.
            topic: Its name.
            start: Where a group starts that has committed nothing: `earliest`, `latest` or an instant, milliseconds.
            settings: Of librdkafka, `bootstrap.servers` and `group.id` among them.

        Raises:
            LoadErrors: settings that librdkafka does not know, or it is not installed.
        """
        self._address, self._start = address, start
        kafka = kafka_library(address)
        told = {"error_cb": self._on_error, "on_commit": self._on_commit, "logger": _log}
        try:
            self._consumer = kafka.Consumer({**_SETTINGS, **settings, **told})
        except (kafka.KafkaException, TypeError, ValueError) as error:
            hint = "look at `client.…` of the address"
            raise self._error(f"the client refuses its settings: {error}", hint) from error
        self._topic = KafkaTopic(kafka, self._consumer, address, topic)
        self._lock = threading.Lock()
        self._partitions: list[str] = []
        self._looked = 0.0
        self._at: Offsets = {}
        self._committed: Offsets = {}
        self._failed: Any = None
        self._astray = False
        self.answers, self._sure = True, time.monotonic()

    def read(self, position: Mapping[str, int], linger: int) -> tuple[list[Message], list[Rejection], Offsets]:
        """Return what is there from a position on.

        Args:
            position: The next offset of each partition; without any the group's committed ones, else `start`.
                A partition that it does not have is new and read from its beginning.
            linger: Milliseconds to wait for more messages, up to `MOST_ROWS`.

        Returns:
            Messages, `deleted_before_read` of what the broker no longer had, and the position behind them.

        Raises:
            LoadErrors: no such topic, no access, no broker at the first call, a partition that cannot be read.
        """
        with self._alone():
            self._look()
            lost = self._move(position)
            records = self._consumer.consume(MOST_ROWS, linger / 1_000)
            messages = _messages([record for record in records if record.error() is None])
            for record in records if len(messages) < len(records) else ():
                self._heed(record)
            self._at |= {message.partition: message.position + 1 for message in messages}
            self._make_sure(came=bool(messages))
        return messages, lost, dict(self._at)

    @property
    def partitions(self) -> Sequence[str]:
        """The partitions of the topic."""
        return self._partitions

    def commit(self, offsets: Mapping[str, int]) -> None:
        """Commit the group's offsets, soon; none goes back behind what is committed."""
        with self._alone():
            self._look()
            forward = {name: at for name, at in offsets.items() if at > self._committed.get(name, -1)}
            if forward:
                self._committed |= forward
                self._consumer.commit(offsets=self._topic.places(forward), asynchronous=True)

    def close(self) -> None:
        """Leave the brokers."""
        with self._lock:
            self._consumer.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other thread in; what the client was told is raised rather than what came of it."""
        with self._lock:
            try:
                yield
            except LoadErrors:
                self._raise_failure()
                raise
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed

    def _look(self) -> None:
        """Look for the topic's partitions, now and then, and for what the group has committed of new ones."""
        if self._partitions and time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        names = self._topic.partitions(SOON if self._partitions else ANSWER)
        if names is not None:
            self._committed |= self._topic.committed([name for name in names if name not in self._partitions])
            self._partitions = names
        elif not self._partitions:
            raise self._error("no answer from the brokers", DOWN)

    def _move(self, position: Mapping[str, int]) -> list[Rejection]:
        """Let the consumer stand at a position; return what was deleted before it was read."""
        missing = [name for name in self._partitions if name not in position]
        if self._at and not missing and self._at == position and not self._astray:
            return []
        wanted, lost = dict(position), []
        for name in missing:
            known = None if position else self._committed.get(name)
            wanted[name] = self._topic.start(name, "earliest" if position else self._start) if known is None else known
        for name, at in wanted.items():
            first, behind = self._topic.ends(name)
            if at > behind:
                _log.warning("%s: partition %s ends before offset %d, and is read anew", self._address, name, at)
                wanted[name] = first
            elif at < first:
                why = f"the broker deleted the offsets {at} to {first - 1} before they were read: keep them for longer"
                place = place_of(name, "offset", at)
                lost.append(Rejection.of(place, "deleted_before_read", why, b"", records=first - at))
                wanted[name] = first
        self._consumer.assign(self._topic.places(wanted))
        self._at, self._astray = wanted, False
        return lost

    def _make_sure(self, *, came: bool) -> None:
        """See now and then whether the brokers answer, if one did not or nothing came."""
        if (came and self.answers) or time.monotonic() - self._sure < SOON:
            return
        self.answers = all(self._topic.answers(name) for name in self._partitions)
        self._sure = time.monotonic()

    def _heed(self, record: Any) -> None:
        """Keep what a record tells instead of a message, unless it passes, or an offset is no longer there."""
        error = record.error()
        if error is not None and error.name() == "_AUTO_OFFSET_RESET":
            self._astray = True
        elif error is not None and not passes(error):
            number = record.partition()
            where = "the topic" if number is None or number < 0 else f"partition {number}, offset {record.offset()},"
            hint = "mend it at the broker; what is behind it is not read until then"
            self._failed = self._failed or self._error(f"{where} cannot be read: {error.str()}", hint)

    def _on_error(self, error: Any) -> None:
        """Keep what will not pass; the rest is waited out."""
        if stays(error):
            hint = "look at `client.security.protocol`, `client.sasl.…` and `client.ssl.…` of the address"
            self._failed = self._error(f"the client is refused: {error.str()}", hint)
        else:
            self.answers = False
            _log.warning("%s: %s", self._address, error.str())

    def _on_commit(self, error: Any, places: Sequence[Any]) -> None:
        if error is not None:
            _log.warning("%s: the group's offsets are not committed, the next ones will be: %s", self._address, error)
            for each in places:
                self._committed.pop(str(each.partition), None)

    def _error(self, message: str, hint: str) -> LoadErrors:
        return kafka_error(self._address, message, hint)


def _messages(records: Sequence[Any]) -> list[Message]:
    """Return records as messages; column by column, as there are many."""
    values = [record.value() for record in records]
    headers = [dict(told) if told else _NONE for told in [record.headers() for record in records]]
    partitions = [str(record.partition()) for record in records]
    positions = [record.offset() for record in records]
    published = [at if kind else None for kind, at in [record.timestamp() for record in records]]
    return [*map(Message._make, zip(values, headers, partitions, positions, published, strict=True))]
