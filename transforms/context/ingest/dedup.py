"""Signals that come twice: found by an 8-byte hash of (type, source, id) per subject."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.arrays.arrow_columns import numbered
from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.hashing import Hashes, apart, finalise, fnv1a64


def signal_hash(signal: str, sources: pa.Array, ids: pa.Array) -> Hashes:
    """Hash (type, source, id), the first two ended by a zero byte, see `apart`, finalised."""
    encoded = sources.dictionary_encode()
    names = pa.array([apart(signal, name, "") for name in encoded.dictionary.to_pylist()], pa.binary())
    return finalise(fnv1a64(ids, fnv1a64(names)[encoded.indices.to_numpy()]))


def duplicates(
    codes: Ints,
    hashes: Hashes,
    times: Ints,
    arrivals: Ints,
    contents: Mapping[str, pl.Series],
    seen: pl.DataFrame,
    horizon: int,
) -> Bools:
    """Mark the rows that are copies of a signal applied before, or of a smaller row of this call.

    A row is a copy while its like is remembered: from the time of that up to the horizon.

    Args:
        codes: Subject of each row.
        hashes: Hash of each row's (type, source, id).
        times: Event time of each row.
        arrivals: The tick that was closed when each row is applied.
        contents: The other columns; among copies of one time the smallest content is kept.
        seen: Signals applied before: code, hash, time.
        horizon: How long ids are remembered, milliseconds.

    Returns:
        True for each row to drop.
    """
    mixed = hashes ^ finalise(codes.astype(np.uint64))
    known = seen["hash"].to_numpy() ^ finalise(seen["code"].to_numpy().astype(np.uint64))
    repeated = _repeated(np.concatenate([mixed, known]))
    suspects = np.flatnonzero(_among(mixed, repeated))
    dropped = np.zeros(len(codes), bool)
    if len(suspects):
        columns = {"code": codes, "hash": hashes, "time": times, "arrival": arrivals}
        rows = pl.DataFrame({"row": suspects} | {name: column[suspects] for name, column in columns.items()})
        rows = rows.with_columns(**{f"content {name}": column[suspects] for name, column in contents.items()})
        rows = rows.sort("time", pl.col("^content .*$"), nulls_last=True)
        dropped[suspects] = True
        originals = _originals(rows.select(*columns), seen.filter(_among(known, repeated)), horizon)
        dropped[rows["row"].to_numpy()[originals]] = False
    return dropped


def _originals(rows: pl.DataFrame, seen: pl.DataFrame, horizon: int) -> Ints:
    """Return which rows are no copies: the first of each id, and the first after that is forgotten, and so on."""
    codes, hashes, times = (
        np.concatenate([rows[name].to_numpy(), seen[name].to_numpy()]) for name in ("code", "hash", "time")
    )
    ids = numbered(pa.array(codes), pa.array(hashes))
    until = np.full(len(ids), np.iinfo(np.int64).min)
    np.maximum.at(until, ids[rows.height :], times[rows.height :] + horizon)
    arrivals, left, found = rows["arrival"].to_numpy(), np.arange(rows.height), np.empty(0, np.int64)
    while len(left := left[arrivals[left] > until[ids[left]]]):
        firsts = left[np.unique(ids[left], return_index=True)[1]]
        until[ids[firsts]] = times[firsts] + horizon
        found = np.append(found, firsts)
    return found


def _repeated(values: Hashes) -> Hashes:
    """Return the values that are there more than once, sorted; only those that share their low bits are compared."""
    low = (values & np.uint64((1 << (4 * len(values)).bit_length()) - 1)).astype(np.int64)
    ordered = np.sort(values[np.bincount(low)[low] > 1])
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _among(values: Hashes, wanted: Hashes) -> Bools:
    """Tell which values are among the wanted ones, which are sorted and few."""
    found = np.zeros(len(values), bool)
    if len(wanted):
        low = np.uint64(0xFFFF)
        alike = np.zeros(int(low) + 1, bool)
        alike[wanted & low] = True
        rows = np.flatnonzero(alike[values & low])
        at = np.searchsorted(wanted, values[rows]).clip(max=len(wanted) - 1)
        found[rows] = wanted[at] == values[rows]
    return found
