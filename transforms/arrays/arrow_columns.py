"""Arrow columns from numpy indices."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def spread(starts: Ints, lengths: Ints) -> Ints:
    """Return start, start + 1, … of each range, one range after the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())


def changes(values: Ints) -> Bools:
    """Tell for each value whether it is the first or differs from the one before."""
    found = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=found[1:])
    return found


def replaced(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return a table with other values in a column."""
    return table.set_column(table.column_names.index(name), name, values)


def nullable(indices: Ints) -> pa.Array:
    """Return indices as Arrow, null where they are negative."""
    return pa.array(indices, pa.int64(), mask=indices < 0)


def pick(values: Sequence[str] | Sequence[int], indices: Ints, of: str = "string") -> pa.Array:
    """Return the value at each index, null where it is negative; `of` is the Arrow type."""
    return pa.array(values, pa.type_for_alias(of)).take(nullable(indices))


def scattered(size: int, rows: Ints, values: pa.Array) -> pa.Array:
    """Return a column that has values at some rows, and is null elsewhere; little memory is touched but there.

    Args:
        size: How many rows there are.
        rows: Those that have a value, ascending.
        values: Texts, whole numbers, instants, or structs of these.
    """
    if values.null_count:
        rows, values = rows[values.is_valid().to_numpy(zero_copy_only=False)], values.drop_null()
    there = np.zeros(size, np.bool_)
    there[rows] = True
    valid = pa.py_buffer(np.packbits(there, bitorder="little"))
    if pa.types.is_struct(values.type):
        children = [scattered(size, rows, child) for child in values.flatten()]
        return pa.Array.from_buffers(values.type, size, [valid], children=children)
    if pa.types.is_string(values.type):
        offsets = np.zeros(size + 1, np.int32)
        if len(rows):
            offsets[rows + 1] = pc.binary_length(values).to_numpy()
            np.cumsum(offsets, out=offsets)
        return pa.Array.from_buffers(values.type, size, [valid, pa.py_buffer(offsets), _bytes_of(values)])
    numbers = np.zeros(size, np.int64)
    numbers[rows] = values.cast(pa.int64()).to_numpy()
    return pa.Array.from_buffers(values.type, size, [valid, pa.py_buffer(numbers)])


def _bytes_of(texts: pa.Array) -> pa.Buffer:
    """Return the bytes of texts without null, one after the other."""
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return pa.py_buffer(b"")
    places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return data.slice(int(places[0]), int(places[-1] - places[0]))


def lists(bounds: Ints, item: pa.StructType, fields: Sequence[pa.Array]) -> pa.Array:
    """Return lists of structs, given where each list starts and the last one ends."""
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), pa.StructArray.from_arrays(fields, fields=list(item)))


def numbered(first: pa.Array | pa.ChunkedArray, *others: pa.Array | pa.ChunkedArray) -> Ints:
    """Return a number for each row, less than their count: the same for rows that are equal in all columns."""
    found, _ = _encoded(first)
    for column in others:
        indices, size = _encoded(column)
        found = np.unique(found * size + indices, return_inverse=True)[1]
    return found


def _encoded(column: pa.Array | pa.ChunkedArray) -> tuple[Ints, int]:
    """Return the number of the value in each row, NULL among them, and how many values there are."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = whole.dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)
