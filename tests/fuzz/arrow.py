"""Parquet files with columns of any type that Parquet can hold, and any values."""

import io
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.case import NAMES, Case, config, damaged, rows
from tests.fuzz.columns import any_column, doubles, holding, instants

_KEYS = ("id", "time", "subject")
_COUNTS = (0, 1, 3, 9)
_TORN_ROWS, _GROUP_ROWS = 12, 4
_CODECS = ("none", "snappy", "gzip", "zstd")


def parquet(rng: Random) -> Case:
    """Return a file of random columns, now and then with bytes that are wrong."""
    count = rng.choice(_COUNTS)
    names = [name for name in (*NAMES, "other") if name in _KEYS or rng.random() < 0.6]
    names += [rng.choice(names)] * (rng.random() < 0.05)
    sound = _sound(rng, count)[0] if rng.random() < 0.7 else {}
    columns = [sound[name] if name in sound and rng.random() < 0.9 else _column(rng, name, count) for name in names]
    data = _written(rng, pa.Table.from_arrays(columns, names=names))
    return Case("a.parquet", damaged(rng, data)[0] if rng.random() < 0.3 else data, config(rng))


def typed_parquet(rng: Random) -> Case:
    """Return a file of sound values, each column of any type that can hold them: all must be read."""
    count = rng.choice(_COUNTS)
    columns, ids = _sound(rng, count)
    return Case("a.parquet", _written(rng, pa.table(columns)), {}, frozenset(ids))


def torn_parquet(rng: Random) -> Case:
    """Return a file of sound rows of which one row group has bytes that are wrong: the others must be read."""
    chosen = config(rng)
    table = pa.Table.from_pylist(rows(rng, _TORN_ROWS, chosen))
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=_GROUP_ROWS, compression=rng.choice(_CODECS), write_statistics=False)
    data, group = sink.getvalue(), rng.randrange(_TORN_ROWS // _GROUP_ROWS)
    chunks = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(group)
    first = chunks.column(0).dictionary_page_offset or chunks.column(0).data_page_offset
    size = sum(chunks.column(n).total_compressed_size for n in range(chunks.num_columns))
    at = rng.randrange(first, first + size)
    bad = rng.randbytes(min(rng.choice((1, 8, 50)), first + size - at))
    sure = frozenset(str(i) for i in range(_TORN_ROWS) if i // _GROUP_ROWS != group)
    return Case("a.parquet", data[:at] + bad + data[at + len(bad) :], chosen, sure)


def _sound(rng: Random, count: int) -> tuple[dict[str, pa.Array], list[str]]:
    """Return columns of sound values, and the ids."""
    ids, told = holding(rng, range(1, count + 1))
    columns = {
        "id": ids,
        "time": instants(rng, [rng.randrange(2 * 10**9) * 1000 for _ in range(count)]),
        "subject": holding(rng, [rng.randrange(1, 9) for _ in range(count)])[0],
        "mb": doubles(rng, count),
        "peer": holding(rng, [rng.randrange(1, 9) for _ in range(count)])[0],
    }
    return columns, told


def _column(rng: Random, name: str, count: int) -> pa.Array:
    if rng.random() < 0.5:
        return _usual(rng, name, count)
    made = any_column(rng, count)
    try:
        pq.write_table(pa.table({"row": pa.array(range(count)), name: made}), io.BytesIO())
    except (pa.ArrowException, OSError):  # it cannot be written
        return _column(rng, name, count)
    return made


def _usual(rng: Random, name: str, count: int) -> pa.Array:
    """Return a column of the type that a field has."""
    if name == "time":
        return pa.array([rng.randrange(2 * 10**12) for _ in range(count)])
    if name == "mb":
        return pa.array(
            [rng.choice((1.5, float("nan"), float("inf"), -0.0, None, 1e300)) for _ in range(count)], pa.float64()
        )
    return pa.array([rng.choice(("a", "x", "", None, "é", "5")) for _ in range(count)], pa.string())


def _written(rng: Random, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    options: dict[str, Any] = {
        "row_group_size": rng.choice((3, 5, 100)),
        "compression": rng.choice(_CODECS),
        "use_dictionary": rng.random() < 0.5,
        "data_page_version": rng.choice(("1.0", "2.0")),
        "store_schema": rng.random() < 0.8,
    }
    try:
        pq.write_table(table, sink, **options)
    except (pa.ArrowException, OSError):  # it cannot cut some types
        sink = io.BytesIO()
        pq.write_table(table, sink)
    return sink.getvalue()
