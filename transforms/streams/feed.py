"""Messages as brokers give them, and the feed that they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from schemas.sources import Source
from transforms.parsing.raw import ATTEMPT, Rejection, place_of

MAX_MESSAGE_BYTES = 1 << 20


class Message(NamedTuple):
    """One message.

    Attributes:
        value: Its bytes; `None` of a tombstone.
        headers: Headers or attributes: text, or bytes, by name.
        partition: Where it came from, as text; empty where a broker has no partitions.
        position: Its number there.
        published: Milliseconds; `None` where the broker does not tell.
    """

    value: bytes | None
    headers: Mapping[str, Any]
    partition: str
    position: int
    published: int | None

    @property
    def attempt(self) -> int:
        """Which try this is: its header tells it where a record that was rejected is given again."""
        told = self.headers.get(ATTEMPT.decode())
        text = told.decode("ascii", "replace") if isinstance(told, bytes) else str(told)
        return int(text) if text.isascii() and text.isdecimal() and 0 < len(text) < 5 else 1

    def rejected(self, unit: str, reason: str, why: str) -> Rejection:
        """Return the rejection of the message, as it came."""
        return Rejection.of(place_of(self.partition, unit, self.position), reason, why, self.value or b"")


def number_of(message_id: str) -> int:
    """Return the number of a message of Pub/Sub, which its id is; -1: it is none."""
    return int(message_id) if message_id.isdecimal() and len(message_id) < 19 else -1


@dataclass(frozen=True)
class Feed:
    """What is in the messages of one address.

    Attributes:
        source: What sources.yaml says of the feed.
        types: The columns that its map reads, as `raw_types` gives them.
        address: Where the messages come from, as it is told to people.
        unit: What counts them: `offset` or `message`.
        format: Of their bytes: an object of JSON each, or a record of Avro.
        schema: Of Avro messages that do not tell theirs, parsed JSON.
        registry: Address of the schema registry; empty: messages do not tell their schema.
        max_bytes: A longer message is rejected.
    """

    source: Source
    types: Mapping[str, pa.DataType]
    address: str
    unit: Literal["offset", "message"]
    format: Literal["jsonl", "avro"] = "jsonl"
    schema: Any = None
    registry: str = ""
    max_bytes: int = MAX_MESSAGE_BYTES
