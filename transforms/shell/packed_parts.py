"""What a parser gives, packed for its way between stages."""

from collections.abc import Iterator, Sequence

from transforms.parsing.parser import TIMES, Part, Tag
from transforms.shell.packed_batch import PackedBatch, ShardBatch, to_all


def packed_parts(parts: Sequence[Part], shards: int) -> Iterator[tuple[Tag, ShardBatch]]:
    """Yield the tag, the shard and the packed rows of parts; what is for all shards is packed once."""
    for tag, shard, rows in parts:
        if shard is None:
            yield from ((tag, packed) for packed in to_all(rows, shards, TIMES[tag]))
        else:
            yield tag, (shard, PackedBatch.of(rows, TIMES[tag]))
