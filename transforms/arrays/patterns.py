"""Patterns: rows of several texts each, of which there are few different ones, as one column of texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.arrays.dtypes import Ints


def patterns_of(rows: NDArray[Any]) -> tuple[Ints, NDArray[Any]]:
    """Number the rows of a matrix, equal ones alike, and return the row that each number stands for."""
    width = rows.itemsize * rows.shape[1]
    whole = pa.py_buffer(np.ascontiguousarray(rows))
    encoded = pa.Array.from_buffers(pa.binary(width), len(rows), [None, whole]).dictionary_encode()
    patterns = np.frombuffer(b"".join(encoded.dictionary.to_pylist()), rows.dtype)
    return encoded.indices.to_numpy().astype(np.int64), patterns.reshape(-1, rows.shape[1])


def texts_of(patterns: Sequence[Sequence[str | None]], numbers: Ints) -> pa.Array:
    """Return the texts of one pattern after the other.

    Args:
        patterns: Texts or null, as many in each.
        numbers: Which patterns.
    """
    if not len(numbers):
        return pa.array([], pa.string())
    texts = [[(text or "").encode() for text in pattern] for pattern in patterns]
    ends = np.cumsum([[len(text) for text in pattern] for pattern in texts], axis=1, dtype=np.int32)
    lengths = ends[:, -1].astype(np.int64)[numbers]
    starts = np.cumsum(lengths) - lengths
    if (size := int(starts[-1] + lengths[-1])) > np.iinfo(np.int32).max:
        raise OverflowError(f"{size:,} bytes do not fit in a column of texts")
    offsets = np.zeros(len(numbers) * ends.shape[1] + 1, np.int32)
    np.add(ends[numbers], starts.astype(np.int32)[:, None], out=offsets[1:].reshape(len(numbers), -1))
    data = pa.array([b"".join(pattern) for pattern in texts], pa.binary()).take(pa.array(numbers)).buffers()[2]
    there = np.array([[text is not None for text in pattern] for pattern in patterns])
    valid = None if there.all() else pa.py_buffer(np.packbits(there[numbers], bitorder="little"))
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, [valid, pa.py_buffer(offsets), data])
