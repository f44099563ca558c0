"""Parquet files with columns of any type that Parquet can hold, and any values."""

import io
from decimal import Context, Decimal
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.case import NAMES, Case, config, damaged, rows

_FIXED = (
    *(pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.date32(), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Mars/X", "+02:00")),
    *(pa.duration("s"), pa.duration("ns")),
)
_TEXTS = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())
_DECIMALS = (pa.decimal128(20, 0), pa.decimal128(38, 10), pa.decimal256(60, 0), pa.decimal32(5, 2), pa.decimal64(12, 0))
_CODECS = ("none", "snappy", "gzip", "zstd")


def parquet(rng: Random) -> Case:
    """Return a file of random columns, now and then with bytes that are wrong."""
    count = rng.choice((0, 1, 3, 20))
    names = [name for name in (*NAMES, "other") if name in ("id", "time", "subject") or rng.random() < 0.6]
    names += [rng.choice(names)] * (rng.random() < 0.05)
    table = pa.Table.from_arrays([_column(rng, name, count) for name in names], names=names)
    data = _written(rng, table)
    return Case("a.parquet", damaged(rng, data)[0] if rng.random() < 0.3 else data, config(rng))


def torn_parquet(rng: Random) -> Case:
    """Return a file of sound rows of which one row group has bytes that are wrong: the others must be read."""
    table = pa.Table.from_pylist(rows(rng, 30))
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=10, compression=rng.choice(_CODECS), write_statistics=False)
    data, group = sink.getvalue(), rng.randrange(3)
    chunks = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(group)
    first = chunks.column(0).dictionary_page_offset or chunks.column(0).data_page_offset
    size = sum(chunks.column(n).total_compressed_size for n in range(chunks.num_columns))
    at = rng.randrange(first, first + size)
    bad = rng.randbytes(min(rng.choice((1, 8, 50)), first + size - at))
    sure = frozenset(f"e{i}" for i in range(30) if i // 10 != group)
    return Case("a.parquet", data[:at] + bad + data[at + len(bad) :], {}, sure)


def _column(rng: Random, name: str, count: int) -> pa.Array:
    if rng.random() < 0.5:
        return _usual(rng, name, count)
    return _wrapped(rng, count, 2)


def _usual(rng: Random, name: str, count: int) -> pa.Array:
    """Return a column of the type that a field has."""
    if name == "time":
        return pa.array([rng.randrange(2 * 10**12) for _ in range(count)])
    if name == "mb":
        return pa.array(
            [rng.choice((1.5, float("nan"), float("inf"), -0.0, None, 1e300)) for _ in range(count)], pa.float64()
        )
    return pa.array([rng.choice(("a", "x", "", None, "é", "5")) for _ in range(count)], pa.string())


def _wrapped(rng: Random, count: int, depth: int) -> pa.Array:
    """Return a column of any type, perhaps of dictionaries, of nested values, or of an extension."""
    makers = [_coded, _bytes16, _nothing, _decimals, _bits, _bits, _bytes, _bytes]
    if depth and rng.random() < 0.2:
        return _nested(rng, count, depth - 1)
    return rng.choice(makers)(rng, count)


def _coded(rng: Random, count: int) -> pa.Array:
    keys = pa.array([rng.choice((0, 1, 2, None)) for _ in range(count)], rng.choice((pa.int8(), pa.int32())))
    return pa.DictionaryArray.from_arrays(keys, _wrapped(rng, 3, 0))


def _nested(rng: Random, count: int, depth: int) -> pa.Array:
    if rng.random() < 0.5:
        return pa.StructArray.from_arrays([_wrapped(rng, count, depth)], names=[rng.choice(("id", "b"))])
    offsets = pa.array(sorted(rng.randrange(5) for _ in range(count + 1)), pa.int32())
    return pa.ListArray.from_arrays(offsets, _wrapped(rng, 5, depth))


def _bytes16(rng: Random, count: int) -> pa.Array:
    array = pa.array([rng.choice((None, rng.randbytes(16))) for _ in range(count)], pa.binary(16))
    return rng.choice((array, pa.uuid().wrap_array(array)))


def _nothing(rng: Random, count: int) -> pa.Array:
    return pa.nulls(count, rng.choice((pa.null(), *_FIXED, *_TEXTS)))


def _decimals(rng: Random, count: int) -> pa.Array:
    kind = rng.choice(_DECIMALS)
    most = 10 ** rng.choice((1, kind.precision))
    context = Context(prec=100)
    numbers = [Decimal(rng.randrange(1 - most, most)).scaleb(-kind.scale, context) for _ in range(count)]
    return pa.array(numbers, kind)


def _bits(rng: Random, count: int) -> pa.Array:
    """Return values of any bits of a type of fixed width."""
    kind = rng.choice(_FIXED)
    width = max(kind.bit_width // 8, 1)
    raw = rng.choice((rng.randbytes(count * width), (b"\x00" * (width - 1) + b"\x80") * count, b"\xff" * count * width))
    mask = np.packbits(np.array([rng.random() < 0.8 for _ in range(count)], np.bool_), bitorder="little").tobytes()
    return pa.Array.from_buffers(kind, count, [pa.py_buffer(mask), pa.py_buffer(raw)])


def _bytes(rng: Random, count: int) -> pa.Array:
    """Return texts, or what is none."""
    kinds = (b"", b"5", b"2026-03-02T08:00:00Z", b"\xff", b"true", "é".encode(), b"x" * 5000, rng.randbytes(8))
    kind = rng.choice(_TEXTS)
    wide = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    raw = pa.array([rng.choice((None, *kinds)) for _ in range(count)], pa.large_binary() if wide else pa.binary())
    if pa.types.is_binary_view(kind) or pa.types.is_string_view(kind):
        safe = pa.array(
            [None if one is None else one.decode("ascii", "replace") for one in raw.to_pylist()], pa.string()
        )
        return safe.cast(kind)
    return raw.view(kind)


def _written(rng: Random, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    options: dict[str, Any] = {
        "row_group_size": rng.choice((1, 7, 100)),
        "compression": rng.choice(_CODECS),
        "use_dictionary": rng.random() < 0.5,
        "data_page_version": rng.choice(("1.0", "2.0")),
        "store_schema": rng.random() < 0.8,
    }
    try:
        pq.write_table(table, sink, **options)
    except (pa.ArrowException, OSError):  # Parquet has no such type
        return _written(rng, table.select([name for name in table.column_names if name == "nothing"]))
    return sink.getvalue()
