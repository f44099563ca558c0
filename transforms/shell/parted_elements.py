"""What one pull became, packed, and parted again into what stages take."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput

from transforms.shell.arrow_coder import from_ipc, to_ipc
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.packed_parts import packed_parts
from transforms.shell.stream_element import REJECTED, StreamElement
from transforms.shell.tallied import TalliedCounter
from transforms.sinks.operations import OPERATIONS
from transforms.streams.element import Element


def packed(element: Element, shards: int) -> StreamElement:
    """Return what one pull became, packed."""
    parts = [
        (tag, shard, packed.content)
        for parsed in element.parsed
        for tag, (shard, packed) in packed_parts(parsed.parts, shards)
    ]
    rejected = [(REJECTED, 0, to_ipc(batch)) for batch in element.rejected]
    counts = [(namespace, name, number) for (namespace, name), number in element.counts.items()]
    operations = [(OPERATIONS, 0, to_ipc(batch)) for batch in element.operations]
    return StreamElement((*parts, *rejected, *operations), tuple(counts))


class _Part(beam.DoFn):
    """Parts what one pull became."""

    def process(self, element: StreamElement) -> Iterator[Any]:
        for tag, shard, content in element.parts:
            given = from_ipc(content) if tag in (REJECTED, OPERATIONS) else (shard, PackedBatch(content))
            yield given if tag == "signals" else TaggedOutput(tag, given)
        for namespace, name, number in element.counts:
            TalliedCounter(namespace, name).inc(number)


def parted(read: beam.PCollection[StreamElement]) -> Any:
    """Return `signals`, `groups`, `controls`, `rejected` and `operations` of what was read, and count."""
    tags = {"groups": ShardBatch, "controls": ShardBatch, "rejected": pa.RecordBatch, OPERATIONS: pa.RecordBatch}
    part = beam.ParDo(_Part()).with_output_types(ShardBatch, **tags)
    return read | "Part" >> part.with_outputs(*tags, main="signals")
