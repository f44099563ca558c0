"""Ids that hide or replace: keyed pseudonyms, and ids made of a signal's content."""

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.hashing import FNV_OFFSET, finalise, fnv1a64

_OTHER_BASIS = FNV_OFFSET ^ np.uint64(0x9E3779B97F4A7C15)
_HEX_DIGITS = 32


def pseudonyms(values: pa.Array, key: bytes) -> pa.Array:
    """Return the keyed BLAKE2b-128 of each text, hex; null stays null, and empty text empty."""
    coded = values.dictionary_encode()
    hidden = [
        blake2b(value.encode(), digest_size=16, key=key).hexdigest() if value else value
        for value in coded.dictionary.to_pylist()
    ]
    return pa.array(hidden, pa.string()).take(coded.indices)


def content_ids(columns: Mapping[str, pa.Array]) -> pa.Array:
    """Return a 128-bit hash, hex, of the values in each row; equal rows have equal ids.

    Args:
        columns: Field to its values, at least one; a null and an absent field make no difference.
    """
    parts = [_part(name, columns[name]) for name in sorted(columns)]
    joined = pc.binary_join_element_wise(*parts, "")
    return _hex(finalise(fnv1a64(joined)), finalise(fnv1a64(joined, _OTHER_BASIS)))


def _part(name: str, array: pa.Array) -> pa.Array:
    """Return name, length and value, so that joined ones stay apart; nothing for null."""
    values = array.cast(pa.string())
    lengths = pc.binary_length(values).cast(pa.string())
    part = pc.binary_join_element_wise(f"{name}=", lengths, ":", values, "")
    return part.fill_null("")


def _hex(*hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> pa.Array:
    """Return the hashes of each row side by side as hex digits."""
    digits = np.column_stack(hashes).astype(">u8").tobytes().hex().encode()
    offsets = np.arange(len(hashes[0]) + 1, dtype=np.int32) * _HEX_DIGITS
    return pa.StringArray.from_buffers(len(hashes[0]), pa.py_buffer(offsets), pa.py_buffer(digits))
