"""Parquet to raw blocks: ranges of row groups, only the wanted columns, never more at a time than fits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.parsing.parquet_batches import BLOCK_BYTES, BLOCK_ROWS, batches
from transforms.parsing.raw import MAX_RECORDS, Parsed, Rejection, Unreadable, believed, raw_block
from transforms.parsing.stored import stored, stored_type

SPLIT_BLOCKS = 4
"""Blocks that one reader takes: while one is parsed it reads the next."""

_DAMAGE = (OSError, UnicodeDecodeError, pa.ArrowException)


def parquet_schema(stream: BinaryIO) -> pa.Schema:
    """Return the Arrow schema of a file.

    Raises:
        Unreadable: not a whole Parquet file.
    """
    return _opened(stream).schema_arrow


def parquet_splits(stream: BinaryIO, wanted: Sequence[str]) -> list[tuple[int, int]]:
    """Return ranges of row groups, first and behind the last, of about `SPLIT_BLOCKS` blocks each.

    Raises:
        Unreadable: not a whole Parquet file, or it has two columns of a wanted name.
    """
    file = _opened(stream)
    _present(file, wanted)
    metadata = file.metadata
    splits: list[tuple[int, int]] = []
    first, rows = 0, 0
    for group in range(metadata.num_row_groups):
        size = metadata.row_group(group).num_rows
        if rows and rows + size > SPLIT_BLOCKS * BLOCK_ROWS:
            splits.append((first, group))
            first, rows = group, 0
        rows += size
    return [*splits, (first, metadata.num_row_groups)] if rows else splits


def read_parquet(stream: BinaryIO, start: int, stop: int, wanted: Sequence[str]) -> Iterator[Parsed]:
    """Read the row groups from `start` to before `stop`.

    Args:
        stream: The file, seekable.
        start: First row group.
        stop: Behind the last.
        wanted: Columns to read; one that the file lacks is left out.

    Yields:
        Blocks of about `BLOCK_ROWS` rows; positions count the rows of the file from 0. What cannot be read of a
        row group is one rejection, `torn_block`.

    Raises:
        Unreadable: not a whole Parquet file, or it has two columns of a wanted name.
    """
    file = _opened(stream)
    present = _present(file, wanted)
    row = sum(file.metadata.row_group(group).num_rows for group in range(start))
    waiting: list[pa.RecordBatch] = []
    for group in range(start, stop):
        for found in _read_group(stream, file, group, present, row):
            if isinstance(found, Rejection):
                yield Parsed(raw_block([], [], np.empty(0, np.int64), "row"), [found])
                continue
            if waiting and _is_full([*waiting, found]):
                yield Parsed(pa.concat_batches(waiting), [])
                waiting.clear()
            waiting.append(found)
        row += file.metadata.row_group(group).num_rows
    if waiting:
        yield Parsed(pa.concat_batches(waiting), [])


def _read_group(
    stream: BinaryIO, file: pq.ParquetFile, group: int, wanted: Mapping[str, pa.DataType], row: int
) -> Iterator[pa.RecordBatch | Rejection]:
    """Yield the rows of a row group whose first is `row`, and at last the rejection of those that cannot be read."""
    end = row + file.metadata.row_group(group).num_rows
    try:
        for batch in batches(stream, file, group, list(wanted)):
            columns = [_typed(stored(batch.column(name)), kind) for name, kind in wanted.items()]
            yield raw_block(columns, list(wanted), np.arange(row, row + batch.num_rows), "row")
            row += batch.num_rows
        why = "they are not there"
    except _DAMAGE as error:
        if getattr(error, "errno", None):
            raise  # the disk or the network, not the content
        why = str(error)
    if row < end:
        message = f"{end - row} rows of row group {group} cannot be read: {why}"
        where = f"row group {group} from row {row}"
        yield Rejection.of(where, "torn_block", message, b"", records=believed(end - row))


def _typed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a column as all row groups have it: one read as a dictionary forgets how large its texts may be."""
    return column if column.type == kind else column.cast(kind)


def _is_full(blocks: Sequence[pa.RecordBatch]) -> bool:
    """Return whether blocks are too much to be one."""
    return sum(block.num_rows for block in blocks) > BLOCK_ROWS or sum(block.nbytes for block in blocks) > BLOCK_BYTES


def _present(file: pq.ParquetFile, wanted: Sequence[str]) -> dict[str, pa.DataType]:
    """Return the wanted columns that the file has, one of each name, with the types that `stored` gives them."""
    schema = file.schema_arrow
    found = Counter(schema.names)
    if twice := [name for name in wanted if found[name] > 1]:
        raise Unreadable(f"it has {found[twice[0]]} columns of the name `{twice[0]}`", believed(file.metadata.num_rows))
    return {name: stored_type(schema.field(name).type) for name in wanted if name in found}


def _opened(stream: BinaryIO) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(pa.PythonFile(stream, mode="r"))
        groups = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
        _ = file.schema_arrow.names
    except _DAMAGE as error:
        if getattr(error, "errno", None):
            raise  # the disk or the network, not the content
        raise Unreadable(f"it is not a whole Parquet file: {error}") from error
    if min(groups, default=0) < 0 or sum(groups) > MAX_RECORDS:
        raise Unreadable(f"it is not a whole Parquet file: it claims {sum(groups)} rows")
    return file
