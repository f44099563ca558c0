"""What one pull became, on its way from the source to where it is split."""

from dataclasses import dataclass

import msgspec
from apache_beam import coders

REJECTED = "rejected"


@dataclass(frozen=True)
class StreamElement:
    """What one pull became, packed.

    Attributes:
        parts: Tag, shard and `PackedBatch` content of what has one; `rejected` or `operations`, 0 and an Arrow IPC
            stream of the rest.
        counts: Namespace, name and number of what is to be counted.
    """

    parts: tuple[tuple[str, int, bytes], ...]
    counts: tuple[tuple[str, str, int], ...]


class StreamElementCoder(coders.Coder):
    """Encodes a `StreamElement`."""

    def encode(self, value: StreamElement) -> bytes:
        """Return its parts and counts as MessagePack."""
        return msgspec.msgpack.encode(value)

    def decode(self, encoded: bytes) -> StreamElement:
        """Return the element."""
        return msgspec.msgpack.decode(encoded, type=StreamElement)

    def is_deterministic(self) -> bool:
        """As batches: never a key."""
        return False


coders.registry.register_coder(StreamElement, StreamElementCoder)
