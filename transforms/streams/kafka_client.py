"""A consumer of one topic that stands where it is told to, and commits what is done; one a process."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.errors import LoadErrors
from schemas.near_miss import near_miss
from transforms.parsing.raw import Rejection, place_of
from transforms.streams.feed import Message
from transforms.streams.kafka_errors import DOWN, kafka_error, kafka_library, passes, stays
from transforms.streams.pull import MOST_ROWS

LOOK = 30.0
"""Seconds between looks for new partitions."""

ANSWER = 15.0
"""Seconds for an answer of the brokers."""

_AGAIN = 0.2  # seconds until brokers are asked again

SOON = 2.0
"""Seconds for an answer that can wait."""

Offsets = dict[str, int]
"""The next offset to read of each partition."""

_SETTINGS = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "fetch.wait.max.ms": 50,
    "queued.min.messages": 100_000,
    "reconnect.backoff.max.ms": 2_000,
}
_log = logging.getLogger(__name__)


class KafkaClient:
    """Reads all partitions of a topic; safe between threads."""

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
        self._address, self._topic, self._start = address, topic, start
        self._kafka = kafka_library(address)
        told = {"error_cb": self._on_error, "on_commit": self._on_commit, "logger": _log}
        try:
            self._consumer = self._kafka.Consumer({**_SETTINGS, **settings, **told})
        except (self._kafka.KafkaException, TypeError, ValueError) as error:
            raise self._error(
                f"the client refuses its settings: {error}", "look at `client.…` of the address"
            ) from error
        self._lock = threading.Lock()
        self._partitions: list[str] = []
        self._looked = 0.0
        self._at: Offsets = {}
        self._committed: Offsets = {}
        self._failed: Any = None

    def read(self, position: Mapping[str, int], linger: float) -> tuple[list[Message], list[Rejection], Offsets]:
        """Return what is there from a position on.

        Args:
            position: The next offset of each partition; without any the group's committed ones, else `start`.
                A partition that it does not have is new and read from its beginning.
            linger: Seconds to wait for more messages, up to `MOST_ROWS`.

        Returns:
            Messages, `deleted_before_read` of what the broker no longer had, and the position behind them.

        Raises:
            LoadErrors: no such topic, no access, no broker at the first call, a partition that cannot be read.
        """
        with self._lock:
            self._look()
            lost = self._move(position)
            records = self._consumer.consume(MOST_ROWS, linger)
            messages = [message for record in records if (message := self._message(record)) is not None]
            for message in messages:
                self._at[message.partition] = message.position + 1
            self._raise_failure()
            return messages, lost, dict(self._at)

    @property
    def partitions(self) -> Sequence[str]:
        """The partitions of the topic."""
        return self._partitions

    def commit(self, offsets: Mapping[str, int]) -> None:
        """Commit the group's offsets, soon; none goes back behind what is committed."""
        with self._lock:
            self._look()
            forward = {name: at for name, at in offsets.items() if at > self._committed.get(name, -1)}
            if forward:
                self._committed |= forward
                self._consumer.commit(offsets=self._places(forward), asynchronous=True)

    def close(self) -> None:
        """Leave the brokers."""
        with self._lock:
            self._consumer.close()

    def _look(self) -> None:
        """Look for the topic's partitions, now and then, and for what the group has committed of new ones."""
        if self._partitions and time.monotonic() - self._looked < LOOK:
            return
        wait = SOON if self._partitions else ANSWER
        self._looked = time.monotonic()
        try:
            found = self._consumer.list_topics(self._topic, timeout=wait).topics[self._topic]
            names = [str(number) for number in sorted(found.partitions)]
            new = [name for name in names if name not in self._partitions]
            committed = self._committed_of(new, wait) if new else []
        except self._kafka.KafkaException as error:
            self._raise_failure()
            if self._partitions:
                _log.warning("%s: the brokers do not answer, and are asked again: %s", self._address, error)
                return
            raise self._error(f"no answer from the brokers: {error.args[0].str()}", DOWN) from error
        if found.error is not None:
            raise self._no_topic(found.error)
        self._committed |= {str(each.partition): each.offset for each in committed if each.offset >= 0}
        self._partitions = names

    def _committed_of(self, names: Sequence[str], wait: float) -> list[Any]:
        """Return what the group has committed; brokers that just started are asked until they know who coordinates."""
        until = time.monotonic() + wait
        while True:
            try:
                found: list[Any] = self._consumer.committed(self._places(dict.fromkeys(names, 0)), timeout=wait)
                return found
            except self._kafka.KafkaException as error:
                if not passes(error.args[0]) or time.monotonic() > until:
                    raise
                time.sleep(_AGAIN)

    def _move(self, position: Mapping[str, int]) -> list[Rejection]:
        """Let the consumer stand at a position; return what was deleted before it was read."""
        missing = [name for name in self._partitions if name not in position]
        if self._at and not missing and self._at == position:
            return []
        wanted, lost = dict(position), []
        for name in missing:
            known = None if position else self._committed.get(name)
            wanted[name] = self._edge(name, position) if known is None else known
        for name, at in wanted.items():
            first, _ = self._ends(name)
            if at < first:
                why = f"the broker deleted the offsets {at} to {first - 1} before they were read: keep them for longer"
                place = place_of(name, "offset", at)
                lost.append(Rejection.of(place, "deleted_before_read", why, b"", records=first - at))
                wanted[name] = first
        self._consumer.assign(self._places(wanted))
        self._at = wanted
        return lost

    def _edge(self, name: str, position: Mapping[str, int]) -> int:
        """Return where to start with a partition; one that came to be while others were read has no past."""
        first, behind = self._ends(name)
        if position or self._start == "earliest":
            return first
        return behind if self._start == "latest" else self._since(name, int(self._start), behind)

    def _since(self, name: str, instant: int, behind: int) -> int:
        """Return the first offset of an instant or later."""
        try:
            (found,) = self._consumer.offsets_for_times(self._places({name: instant}), timeout=ANSWER)
        except self._kafka.KafkaException as error:
            raise self._error(f"partition {name} cannot be read: {error.args[0].str()}", DOWN) from error
        return int(found.offset) if found.offset >= 0 else behind

    def _ends(self, name: str) -> tuple[int, int]:
        """Return the first offset that a partition has, and the one behind its last."""
        place = self._kafka.TopicPartition(self._topic, int(name))
        try:
            first, behind = self._consumer.get_watermark_offsets(place, timeout=ANSWER)
        except self._kafka.KafkaException as error:
            self._raise_failure()
            hint = (
                DOWN
                if passes(error.args[0])
                else "was the topic made anew? then start without the old position, as a new group"
            )
            raise self._error(f"partition {name} cannot be read: {error.args[0].str()}", hint) from error
        return first, behind

    def _message(self, record: Any) -> Message | None:
        """Return a record as a message, or None of an event that passes."""
        error = record.error()
        if error is None:
            kind, at = record.timestamp()
            headers = dict(record.headers() or ())
            return Message(record.value(), headers, str(record.partition()), record.offset(), at if kind else None)
        if not passes(error):
            number = record.partition()
            where = "the topic" if number is None or number < 0 else f"partition {number}, offset {record.offset()},"
            hint = "mend it at the broker; what is behind it is not read until then"
            self._failed = self._failed or self._error(f"{where} cannot be read: {error.str()}", hint)
        return None

    def _on_error(self, error: Any) -> None:
        """Keep what will not pass; the rest is waited out."""
        if stays(error):
            hint = "look at `client.security.protocol`, `client.sasl.…` and `client.ssl.…` of the address"
            self._failed = self._error(f"the client is refused: {error.str()}", hint)
        else:
            _log.warning("%s: %s", self._address, error.str())

    def _on_commit(self, error: Any, places: Sequence[Any]) -> None:
        if error is not None:
            _log.warning("%s: the group's offsets are not committed, the next ones will be: %s", self._address, error)
            for each in places:
                self._committed.pop(str(each.partition), None)

    def _raise_failure(self) -> None:
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed

    def _no_topic(self, error: Any) -> LoadErrors:
        names = [name for name in self._consumer.list_topics(timeout=ANSWER).topics if not name.startswith("__")]
        hint = near_miss(self._topic, names) if names else "there is no topic that this client may see: make it first"
        return self._error(f"the topic `{self._topic}` cannot be read: {error.str()}", hint)

    def _places(self, offsets: Mapping[str, int]) -> list[Any]:
        return [self._kafka.TopicPartition(self._topic, int(name), at) for name, at in offsets.items()]

    def _error(self, message: str, hint: str) -> LoadErrors:
        return kafka_error(self._address, message, hint)
