"""What is asked about a topic: its partitions, where they begin and end, what a group has committed."""

import time
from collections.abc import Mapping
from typing import Any

from schemas.errors import LoadErrors
from schemas.near_miss import near_miss
from transforms.streams.kafka_errors import DOWN, kafka_error, passes

PROMPT = 1.0
"""Seconds for an answer that a broker has at hand."""

ANSWER = 15.0
"""Seconds for an answer of the brokers."""

_AGAIN = 0.2
"""Seconds until brokers are asked again."""

Offsets = dict[str, int]
"""An offset of each partition, by its number as text."""

_ANEW = "was the topic made anew? then start without the old position, as a new group"


class KafkaTopic:
    """A topic as one consumer sees it."""

    def __init__(self, kafka: Any, consumer: Any, address: str, name: str) -> None:
        """Take the library, the consumer that asks, the address for people and the topic's name."""
        self._kafka, self._consumer, self._address, self._name = kafka, consumer, address, name

    def partitions(self, wait: float) -> list[str] | None:
        """Return the partitions in order; None: no answer in so many seconds.

        Raises:
            LoadErrors: there is no such topic, or none for us.
        """
        try:
            found = self._consumer.list_topics(self._name, timeout=wait).topics[self._name]
        except self._kafka.KafkaException:
            return None
        if found.error is None:
            return [str(number) for number in sorted(found.partitions)]
        names = [name for name in self._consumer.list_topics(timeout=ANSWER).topics if not name.startswith("__")]
        hint = near_miss(self._name, names) if names else "there is no topic that this client may see: make it first"
        raise self._error(f"the topic `{self._name}` cannot be read: {found.error.str()}", hint)

    def committed(self, names: list[str]) -> Offsets:
        """Return what the group has committed of some partitions.

        Brokers that just started are asked until they know who coordinates the group.

        Raises:
            LoadErrors: no answer.
        """
        until, found = time.monotonic() + ANSWER, None
        while names and found is None:
            try:
                found = self._consumer.committed(self.places(dict.fromkeys(names, 0)), timeout=ANSWER)
            except self._kafka.KafkaException as error:
                if not passes(error.args[0]) or time.monotonic() > until:
                    message = f"the group's offsets cannot be read: {error.args[0].str()}"
                    raise self._error(message, DOWN) from error
                time.sleep(_AGAIN)
        return {str(each.partition): each.offset for each in found or () if each.offset >= 0}

    def ends(self, name: str) -> tuple[int, int]:
        """Return the first offset that a partition has and the one behind its last; raises `LoadErrors`: no answer."""
        (place,) = self.places({name: 0})
        try:
            first, behind = self._consumer.get_watermark_offsets(place, timeout=ANSWER)
        except self._kafka.KafkaException as error:
            hint = DOWN if passes(error.args[0]) else _ANEW
            raise self._error(f"partition {name} cannot be read: {error.args[0].str()}", hint) from error
        return first, behind

    def answers(self, name: str) -> bool:
        """Tell whether a partition has a broker that answers soon."""
        try:
            self._consumer.get_watermark_offsets(*self.places({name: 0}), timeout=PROMPT)
        except self._kafka.KafkaException:
            return False
        return True

    def start(self, name: str, start: str | int) -> int:
        """Return where `earliest`, `latest` or an instant in milliseconds is; raises `LoadErrors`: no answer."""
        first, behind = self.ends(name)
        if isinstance(start, str):
            return first if start == "earliest" else behind
        try:
            (found,) = self._consumer.offsets_for_times(self.places({name: start}), timeout=ANSWER)
        except self._kafka.KafkaException as error:
            raise self._error(f"partition {name} cannot be read: {error.args[0].str()}", DOWN) from error
        return int(found.offset) if found.offset >= 0 else behind

    def places(self, offsets: Mapping[str, int]) -> list[Any]:
        """Return offsets as the library takes them."""
        return [self._kafka.TopicPartition(self._name, int(name), at) for name, at in offsets.items()]

    def _error(self, message: str, hint: str) -> LoadErrors:
        return kafka_error(self._address, message, hint)
