"""Avro container files to raw blocks: block by block, together where they are sound, alone where one is not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from transforms.parsing.avro_container import UNIT, Block, Header, read_blocks, read_header
from transforms.parsing.avro_records import decoded
from transforms.parsing.avro_schema import AvroField, schema_fields
from transforms.parsing.raw import Parsed, Rejection, raw_block

GROUP_BYTES = 8 << 20
"""Unpacked bytes that are decoded together."""

BLOCK_ROWS = 1 << 18
"""Rows of a block at most: records may be of a byte each."""


def avro_fields(stream: BinaryIO) -> tuple[Header, tuple[AvroField, ...]]:
    """Return the header and the fields of a file.

    Raises:
        Unreadable: not an Avro file of records.
    """
    header = read_header(stream)
    return header, schema_fields(header.schema)


def read_avro(stream: BinaryIO, start: int, stop: int, wanted: Sequence[str]) -> Iterator[Parsed]:
    """Read the blocks that start in a byte range.

    Args:
        stream: The file at its start, seekable.
        start: First byte.
        stop: First byte after the range.
        wanted: Columns to return; one that the file lacks is left out.

    Yields:
        Raw blocks; positions are the offsets of the rows' blocks. A block whose frame, count or content is not
        sound is one rejection, `torn_block` or `exploding_block`: none of its rows can be trusted.

    Raises:
        Unreadable: as `avro_fields`.
    """
    header, fields = avro_fields(stream)
    least = max(1, sum(field.least for field in fields if not field.opaque))
    group: list[Block] = []
    rejected: list[Rejection] = []
    for found in read_blocks(stream, header, start, stop):
        if isinstance(found, Rejection):
            rejected.append(found)
        elif found.count * least > len(found.data):
            message = f"the block claims {found.count} records in {len(found.data)} bytes"
            rejected.append(replace(found.rejected("exploding_block", message), records=None))
        else:
            group.append(found)
        if sum(len(block.data) for block in group) + sum(item.length for item in rejected) > GROUP_BYTES:
            yield from _parse(group, fields, wanted, rejected)
            group, rejected = [], []
    yield from _parse(group, fields, wanted, rejected)


def _parse(
    group: Sequence[Block], fields: Sequence[AvroField], wanted: Sequence[str], rejected: list[Rejection]
) -> Iterator[Parsed]:
    """Decode blocks together, or one by one if that fails."""
    rows = decoded(group, fields, wanted) if group else None
    if rows is not None or not group:
        if rejected or group:
            yield from _in_parts(rows or raw_block([], [], np.empty(0, np.int64), UNIT), rejected)
        return
    if len(group) == 1:
        message = f"the block does not hold {group[0].count} whole records and nothing else"
        yield from _parse([], fields, wanted, [*rejected, group[0].rejected("torn_block", message)])
        return
    middle = len(group) // 2
    yield from _parse(group[:middle], fields, wanted, rejected)
    yield from _parse(group[middle:], fields, wanted, [])


def _in_parts(rows: pa.RecordBatch, rejected: list[Rejection]) -> Iterator[Parsed]:
    """Yield rows, so many at a time, the first with the rejections."""
    yield Parsed(rows.slice(0, BLOCK_ROWS), rejected)
    for start in range(BLOCK_ROWS, rows.num_rows, BLOCK_ROWS):
        yield Parsed(rows.slice(start, BLOCK_ROWS), [])
