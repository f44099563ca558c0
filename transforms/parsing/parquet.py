"""Parquet to raw blocks: ranges of row groups, only the wanted columns."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.parsing.raw import Parsed, Rejection, Unreadable, believed, raw_block

BLOCK_ROWS = 1 << 18
"""Rows of a block: small row groups are read together, large ones in parts."""

SPLIT_BLOCKS = 4
"""Blocks that one reader takes: while one is parsed it reads the next."""


def parquet_schema(stream: BinaryIO) -> pa.Schema:
    """Return the Arrow schema of a file.

    Raises:
        Unreadable: not a whole Parquet file.
    """
    return _opened(stream).schema_arrow


def parquet_splits(stream: BinaryIO) -> list[tuple[int, int]]:
    """Return ranges of row groups, first and behind the last, of about `SPLIT_BLOCKS` blocks each.

    Raises:
        Unreadable: not a whole Parquet file.
    """
    metadata = _opened(stream).metadata
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
    """
    file = _opened(stream)
    names = [name for name in wanted if name in file.schema_arrow.names]
    row = sum(file.metadata.row_group(group).num_rows for group in range(start))
    waiting: list[pa.RecordBatch] = []
    for group in range(start, stop):
        first = row
        row += file.metadata.row_group(group).num_rows
        try:
            for batch in file.iter_batches(BLOCK_ROWS, row_groups=[group], columns=names):
                positions = np.arange(first, first + batch.num_rows)
                waiting.append(raw_block(batch.columns, batch.schema.names, positions, "row"))
                first += batch.num_rows
                if sum(block.num_rows for block in waiting) >= BLOCK_ROWS:
                    yield Parsed(pa.concat_batches(waiting), [])
                    waiting.clear()
        except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
            if getattr(error, "errno", None):
                raise  # the disk or the network, not the content
            message = f"{row - first} rows of row group {group} cannot be read: {error}"
            rejection = Rejection.of(
                f"row group {group} from row {first}", "torn_block", message, b"", records=believed(row - first)
            )
            yield Parsed(raw_block([], [], np.empty(0, np.int64), "row"), [rejection])
    if waiting:
        yield Parsed(pa.concat_batches(waiting), [])


def _opened(stream: BinaryIO) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(pa.PythonFile(stream, mode="r"))
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        if getattr(error, "errno", None):
            raise  # the disk or the network, not the content
        raise Unreadable(f"it is not a whole Parquet file: {error}") from error
