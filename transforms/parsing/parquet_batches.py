"""The rows of a Parquet row group in batches of bounded size, however small the file that holds them."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from transforms.parsing.parquet_footer import check_chunks

BLOCK_ROWS = 1 << 18
"""Rows of a block: small row groups are read together, large ones in parts."""

BLOCK_BYTES = 128 << 20
"""Bytes of a block, unpacked, give or take a row: wide rows are read fewer at a time."""

_FEW = 50_000
"""Rows that take no time to read by whatever way."""

_LEAST_TEXT = 5
"""Bytes of a text that is written out in full; fewer a value means that it is written once for many rows."""


def batches(stream: BinaryIO, file: pq.ParquetFile, group: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a row group, in order.

    Texts that many rows share are read once, as dictionaries, and given to so many rows at a time as fit.

    Args:
        stream: The file, seekable.
        file: The same, opened.
        group: Number of the row group.
        names: Columns to read.

    Raises:
        pyarrow.ArrowException, OSError, UnicodeDecodeError: what cannot be read.
    """
    found = file.metadata.row_group(group)
    check_chunks(file, group, names)
    wanted = [found.column(n) for n in range(len(file.schema)) if file.schema.column(n).path in names]
    repeating = [chunk for chunk in wanted if _repeats(chunk)]
    shared = [chunk for chunk in repeating if chunk.has_dictionary_page]
    most = [BLOCK_BYTES // chunk.total_uncompressed_size for chunk in repeating if chunk not in shared]
    rows = min([BLOCK_ROWS, BLOCK_BYTES * found.num_rows // sum(map(_size, wanted), start=1), *most])
    source = file
    if shared:
        columns = [chunk.path_in_schema for chunk in shared]
        source = pq.ParquetFile(pa.PythonFile(stream, mode="r"), read_dictionary=columns)
    for batch in source.iter_batches(max(rows, 1), row_groups=[group], columns=list(names)):
        yield from in_parts(batch) if shared else [batch]


def _repeats(chunk: pq.ColumnChunkMetaData) -> bool:
    """Return whether texts may take far more memory than file, as one long text in each row would.

    Dictionaries of many short texts are slow to read as such, and so are left alone where rows are many.
    """
    size, count = chunk.total_uncompressed_size, chunk.num_values
    if chunk.physical_type != "BYTE_ARRAY" or size * min(count, BLOCK_ROWS) <= BLOCK_BYTES:
        return False
    if not chunk.has_dictionary_page:
        return "DELTA_BYTE_ARRAY" in chunk.encodings
    return count <= _FEW or size < _LEAST_TEXT * count


def _size(chunk: pq.ColumnChunkMetaData) -> int:
    return max(chunk.total_uncompressed_size, 0)


def in_parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a batch with its dictionaries, in parts that fit without them."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            sizes += _sizes(column)
    ends = np.cumsum(sizes)
    start = 0
    while start < batch.num_rows:
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + BLOCK_BYTES, side="right")))
        yield batch.slice(start, stop - start)
        start = stop


def _sizes(column: pa.Array) -> NDArray[np.int64]:
    """Return the bytes of each value of a column with a dictionary."""
    lengths = pc.binary_length(column.dictionary)
    sizes: NDArray[np.int64] = lengths.take(column.indices).fill_null(0).to_numpy().astype(np.int64)
    return sizes
