"""Stable 64-bit hashes of string columns, and the shard of a subject."""

from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
_BLOCK = 16_384  # rows that stay in the cache while their bytes are folded in


def fnv1a64(strings: pa.Array, basis: np.uint64 | Hashes = FNV_OFFSET) -> Hashes:
    """Hash the UTF-8 bytes of each string with FNV-1a 64, not finalised.

    Args:
        strings: A string, large_string or binary array; a null counts as the empty string.
        basis: The state to start from, one for all or one a row: the hash of what comes before.

    Returns:
        One uint64 a row. Source: Fowler, Noll, Vo (IETF draft-eastlake-fnv).
    """
    data, starts, lengths = _bytes_of(strings)
    hashes = np.empty(len(strings), np.uint64)
    hashes[:] = basis
    for first in range(0, len(strings), _BLOCK):
        block = slice(first, first + _BLOCK)
        _fold(hashes[block], data, starts[block], lengths[block])
    return hashes


def finalise(hashes: Hashes) -> Hashes:
    """Spread the entropy of each hash over all its bits (the 64-bit finaliser of MurmurHash3)."""
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return cast(Hashes, hashes ^ (hashes >> np.uint64(33)))


def subject_hash(kind: str, ids: pa.Array) -> Hashes:
    """Hash the pair (kind, id), the kind ended by a zero byte, finalised; ids may be dictionary-encoded."""
    if isinstance(ids, pa.DictionaryArray):
        return cast(Hashes, subject_hash(kind, ids.dictionary)[ids.indices.to_numpy()])
    prefix = fnv1a64(pa.array([f"{kind}\0"]))[0]
    return finalise(fnv1a64(ids, prefix))


def shard_of(kind: str, ids: pa.Array, shards: int) -> NDArray[np.int64]:
    """Return the shard, from 0 to `shards - 1`, of each subject (kind, id)."""
    return (subject_hash(kind, ids) % np.uint64(shards)).astype(np.int64)


def apart(*parts: str) -> bytes:
    """Join texts by zero bytes; one within a text becomes the two bytes C0 80, which no UTF-8 has."""
    return b"\0".join(part.encode().replace(b"\0", b"\xc0\x80") for part in parts)


def _fold(hashes: Hashes, data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
    """Fold the bytes of each string into its hash, in place, the j-th byte of all strings at once."""
    shortest, longest = int(lengths.min()), int(lengths.max())
    for j in range(shortest):
        hashes ^= data[starts[0] + j : starts[-1] + j + 1 : longest] if shortest == longest else data[starts + j]
        hashes *= FNV_PRIME
    rows = np.arange(len(hashes))
    for j in range(shortest, longest):
        rows = rows[lengths[rows] > j]
        hashes[rows] = (hashes[rows] ^ data[starts[rows] + j]) * FNV_PRIME


def _bytes_of(strings: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Return all bytes, and the start and length of each string."""
    if strings.null_count:
        strings = strings.fill_null("")
    if not len(strings):
        return np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64)
    large = pa.types.is_large_string(strings.type) or pa.types.is_large_binary(strings.type)
    _, offsets, values = strings.buffers()
    bounds = np.frombuffer(offsets, np.int64 if large else np.int32)[strings.offset : strings.offset + len(strings) + 1]
    return np.frombuffer(values or b"", np.uint8), bounds[:-1].astype(np.int64), np.diff(bounds).astype(np.int64)
