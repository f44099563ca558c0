"""Columns of any Arrow type: sound values in types that can hold them, and any bits in any type."""

import uuid
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Context, Decimal
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

_FIXED = (
    *(pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.date32(), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Mars/X", "+02:00")),
    *(pa.duration("s"), pa.duration("ns")),
)
_TEXTS = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())
_DECIMALS = (pa.decimal128(20, 0), pa.decimal128(38, 10), pa.decimal256(60, 0), pa.decimal32(5, 2), pa.decimal64(12, 0))
_WHOLE = (pa.int16(), pa.int32(), pa.int64(), pa.uint16(), pa.uint32(), pa.uint64())
_TIMES = tuple(pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "+02:00"))
_UNTAKEN = (pa.uuid(), pa.string_view(), pa.binary_view())
_EXACT = Context(prec=100)

Holder = Callable[[Random, Sequence[int]], tuple[pa.Array, list[str]]]
"""Makes a column of some numbers, or of what has such numbers, and tells what text each value is."""


def holding(rng: Random, numbers: Sequence[int]) -> tuple[pa.Array, list[str]]:
    """Return a column of a type that any text field takes, with the texts that the values are."""
    array, told = rng.choice((_texts, _texts, _whole, _decimal, _uuids, _dates))(rng, numbers)
    return _coded(rng, array) if rng.random() < 0.2 else array, told


def instants(rng: Random, milliseconds: Sequence[int]) -> pa.Array:
    """Return a column of a type that times can have, of whole seconds."""
    kind = rng.choice((*_TIMES, pa.int64(), pa.uint64(), pa.float64(), pa.decimal128(20, 0), pa.string()))
    if pa.types.is_timestamp(kind):
        array = pa.array(milliseconds, pa.timestamp("ms", kind.tz)).cast(kind)
    elif pa.types.is_decimal(kind):
        array = pa.array(list(map(Decimal, milliseconds)), kind)
    else:
        array = pa.array(milliseconds, pa.int64()).cast(kind)
    return _coded(rng, array) if rng.random() < 0.2 else array


def doubles(rng: Random, count: int) -> pa.Array:
    """Return a column of a type that numbers can have, some of them null."""
    kind = rng.choice((pa.float16(), pa.float32(), pa.float64(), pa.decimal32(5, 2), pa.decimal128(38, 10), *_WHOLE))
    numbers = pa.array([rng.choice((None, 0.0, 1.0, 2.0)) for _ in range(count)], pa.float64())
    return numbers.cast(pa.int64()).cast(kind) if pa.types.is_integer(kind) else numbers.cast(kind)


def any_column(rng: Random, count: int, depth: int = 2) -> pa.Array:
    """Return a column of any type, perhaps of dictionaries, of nested values, or of an extension."""
    if depth and rng.random() < 0.2:
        return _nested(rng, count, depth - 1)
    return rng.choice((_any_coded, _bytes16, _nothing, _decimals, _bits, _bits, _bytes, _bytes))(rng, count)


def _texts(rng: Random, numbers: Sequence[int]) -> tuple[pa.Array, list[str]]:
    told = [rng.choice(("{}", "é{}")).format(number) for number in numbers]
    return pa.array(told, pa.string()).cast(pa.binary() if rng.random() < 0.2 else rng.choice(_TEXTS)), told


def _whole(rng: Random, numbers: Sequence[int]) -> tuple[pa.Array, list[str]]:
    return pa.array(numbers, rng.choice(_WHOLE)), list(map(str, numbers))


def _decimal(rng: Random, numbers: Sequence[int]) -> tuple[pa.Array, list[str]]:
    kind = rng.choice([kind for kind in _DECIMALS if kind.scale == 0])
    large = [number + 10 ** (kind.precision - 1) for number in numbers]
    return pa.array(list(map(Decimal, large)), kind), list(map(str, large))


def _uuids(rng: Random, numbers: Sequence[int]) -> tuple[pa.Array, list[str]]:
    made = [uuid.UUID(int=number) for number in numbers]
    raw = pa.array([one.bytes for one in made], pa.binary(16))
    return pa.uuid().wrap_array(raw), list(map(str, made))


def _dates(rng: Random, numbers: Sequence[int]) -> tuple[pa.Array, list[str]]:
    days = [date(1600, 1, 1) + timedelta(number) for number in numbers]
    return pa.array(days, rng.choice((pa.date32(), pa.date64()))), list(map(str, days))


def _coded(rng: Random, array: pa.Array) -> pa.Array:
    """Return a column as a dictionary of its values, in another order."""
    if array.type in _UNTAKEN:
        return array
    places = list(range(len(array)))
    rng.shuffle(places)
    keys = pa.array(np.argsort(places), pa.int32())
    return pa.DictionaryArray.from_arrays(keys, array.take(pa.array(places, pa.int64())))


def _any_coded(rng: Random, count: int) -> pa.Array:
    keys = pa.array([rng.choice((0, 1, 2, None)) for _ in range(count)], rng.choice((pa.int8(), pa.int32())))
    return pa.DictionaryArray.from_arrays(keys, any_column(rng, 3, 0))


def _nested(rng: Random, count: int, depth: int) -> pa.Array:
    if rng.random() < 0.5:
        return pa.StructArray.from_arrays([any_column(rng, count, depth)], names=[rng.choice(("id", "b"))])
    offsets = pa.array(sorted(rng.randrange(5) for _ in range(count + 1)), pa.int32())
    return pa.ListArray.from_arrays(offsets, any_column(rng, 5, depth))


def _bytes16(rng: Random, count: int) -> pa.Array:
    array = pa.array([rng.choice((None, rng.randbytes(16))) for _ in range(count)], pa.binary(16))
    return rng.choice((array, pa.uuid().wrap_array(array)))


def _nothing(rng: Random, count: int) -> pa.Array:
    return pa.nulls(count, rng.choice((pa.null(), *_FIXED, *_TEXTS)))


def _decimals(rng: Random, count: int) -> pa.Array:
    kind = rng.choice(_DECIMALS)
    most = 10 ** rng.choice((1, kind.precision))
    numbers = [Decimal(rng.randrange(1 - most, most)).scaleb(-kind.scale, _EXACT) for _ in range(count)]
    return pa.array(numbers, kind)


def _bits(rng: Random, count: int) -> pa.Array:
    """Return values of any bits of a type of fixed width."""
    kind: Any = rng.choice(_FIXED)
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
        safe = [None if one is None else one.decode("ascii", "replace") for one in raw.to_pylist()]
        return pa.array(safe, pa.string()).cast(kind)
    return raw.view(kind)
