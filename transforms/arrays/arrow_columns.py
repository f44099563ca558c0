"""Arrow columns from numpy indices."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
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
