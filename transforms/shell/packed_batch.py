"""Record batches on their way between stages: packed once, opened where they are used."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from apache_beam import coders

from transforms.arrays.plain_arrow import used
from transforms.context.grid import CLOSED_AT
from transforms.shell.arrow_coder import from_ipc, to_ipc

_HEAD = struct.Struct("<qqq")
_NEVER_LATE = -1
_SEED = -2


@dataclass(frozen=True)
class PackedBatch:
    """A packed record batch of one shard, never empty, that shows the bounds of its times.

    Runners encode and decode an element at each stage, and a stage that holds it does so once more. What is packed
    only passes through.

    Attributes:
        content: The bounds and the tick closed then, and the batch as an Arrow IPC stream.
    """

    content: bytes

    @classmethod
    def of(cls, batch: pa.RecordBatch, times: str = "time") -> "PackedBatch":
        """Pack a batch.

        Args:
            batch: At least one row.
            times: Its int64 column of milliseconds.
        """
        bounds = pc.min_max(batch[times])
        return cls(to_ipc(_lean(batch), _HEAD.pack(bounds["min"].as_py(), bounds["max"].as_py(), _NEVER_LATE)))

    @classmethod
    def seed(cls, tick: int, kept: bytes) -> "PackedBatch":
        """Pack what a key starts with: what it kept at the cut of a tick, which is no batch."""
        return cls(_HEAD.pack(tick, tick, _SEED) + kept)

    @property
    def kept(self) -> bytes | None:
        """What a key starts with; None where this is a batch."""
        return self.content[_HEAD.size :] if self.closed_at == _SEED else None

    @property
    def earliest(self) -> int:
        """The smallest of its times, milliseconds."""
        return int(_HEAD.unpack_from(self.content)[0])

    @property
    def latest(self) -> int:
        """The greatest of its times, milliseconds."""
        return int(_HEAD.unpack_from(self.content)[1])

    @property
    def closed_at(self) -> int:
        """The tick that was closed when it came, if some of its rows are late; below 0 if none is."""
        return int(_HEAD.unpack_from(self.content)[2])

    def came_at(self, closed: int | None, open_from: int | None = None) -> "PackedBatch":
        """Return it with the tick that is closed, if that is late: so a replay lets late rows act where they did.

        Args:
            closed: The tick, None before the first.
            open_from: Earlier times are late; by default those before `closed`.
        """
        if closed is None or self.earliest >= (closed if open_from is None else open_from):
            return self
        return PackedBatch(_HEAD.pack(self.earliest, self.latest, closed) + self.content[_HEAD.size :])

    def open(self) -> pa.RecordBatch:
        """Return the batch."""
        batch = from_ipc(self.content, _HEAD.size)
        if self.closed_at == _NEVER_LATE or int(batch.schema.metadata.get(CLOSED_AT, _NEVER_LATE)) >= self.closed_at:
            return batch
        return batch.replace_schema_metadata({**batch.schema.metadata, CLOSED_AT: str(self.closed_at).encode()})


def _lean(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with dictionaries that hold no more than its rows have."""
    for n, field in enumerate(batch.schema):
        if pa.types.is_dictionary(field.type):
            batch = batch.set_column(n, field.name, used(batch.column(n)))
    return batch


class PackedBatchCoder(coders.Coder):
    """Passes on what a `PackedBatch` holds."""

    def encode(self, value: PackedBatch) -> bytes:
        """Return its bytes."""
        return value.content

    def decode(self, encoded: bytes) -> PackedBatch:
        """Return the packed batch."""
        return PackedBatch(encoded)

    def is_deterministic(self) -> bool:
        """As batches: never a key."""
        return False


ShardBatch = tuple[int, PackedBatch]
"""What stages give each other: a shard, and rows of its subjects."""


def to_all(batch: pa.RecordBatch, shards: int, times: str = "time") -> Iterator[ShardBatch]:
    """Yield a batch for each shard; see `PackedBatch.of`."""
    packed = PackedBatch.of(batch, times)
    yield from ((shard, packed) for shard in range(shards))


coders.registry.register_coder(PackedBatch, PackedBatchCoder)
