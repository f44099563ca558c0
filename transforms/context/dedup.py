"""Signals that come twice: found by an 8-byte hash of (type, source, id) per subject."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.context.ticks import Bools, Ints
from transforms.hashing import Hashes, finalise, fnv1a64


def signal_hash(signal: str, sources: pa.Array, ids: pa.Array) -> Hashes:
    """Hash (type, source, id), parts ended by a zero byte, finalised."""
    encoded = sources.dictionary_encode()
    names = pa.array([f"{signal}\0{name}\0" for name in encoded.dictionary.to_pylist()], pa.string())
    return finalise(fnv1a64(ids, fnv1a64(names)[encoded.indices.to_numpy()]))


def duplicates(codes: Ints, hashes: Hashes, times: Ints, contents: Mapping[str, pl.Series], seen: pl.DataFrame) -> Bools:
    """Mark the rows that are copies of a signal applied before, or of a smaller row of this call.

    Args:
        codes: Subject of each row.
        hashes: Hash of each row's (type, source, id).
        times: Event time of each row.
        contents: The other columns; among copies of one time the smallest content is kept.
        seen: Signals applied before: code, hash.

    Returns:
        True for each row to drop.
    """
    mixed = hashes ^ finalise(codes.astype(np.uint64))
    known = seen["hash"].to_numpy() ^ finalise(seen["code"].to_numpy().astype(np.uint64))
    ordered = np.sort(np.concatenate([mixed, known]))
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    suspects = np.flatnonzero(_among(mixed, repeated))
    dropped = np.zeros(len(codes), bool)
    if len(suspects):
        rows = pl.DataFrame(
            {"row": suspects, "code": codes[suspects], "hash": hashes[suspects], "time": times[suspects]}
            | {f"content {name}": column[suspects] for name, column in contents.items()}
        )
        first = rows.sort(pl.all().exclude("row"), nulls_last=True).unique(["code", "hash"], keep="first")
        kept = first.join(seen.select("code", "hash"), ["code", "hash"], "anti")
        dropped[suspects] = True
        dropped[kept["row"].to_numpy()] = False
    return dropped


def _among(values: Hashes, wanted: Hashes) -> Bools:
    if not len(wanted):
        return np.zeros(len(values), bool)
    at = np.searchsorted(wanted, values).clip(max=len(wanted) - 1)
    return cast(Bools, wanted[at] == values)
