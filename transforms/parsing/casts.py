"""Columns from the types that files have to the four that contracts have, row by row where a value does not fit."""

from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.records import INSTANT
from transforms.parsing.instants import from_iso
from transforms.parsing.raw import Bools, mask_of
from transforms.parsing.stored import digits, stored, stored_type

_PER_MILLISECOND = {"us": 1_000, "ns": 1_000_000}
_MAX_SECONDS = 9_007_199_254_740  # beyond any contract's range, far from overflow once it is milliseconds
_FIRST_DAY, _END_DAY = -719_528, 2_932_897  # 0000-01-01 and 10000-01-01
_DAY = 86_400_000
_WHOLE = r"^[+-]?[0-9]+$"
_ZERO_FRACTION = r"\.0*$"
_POLARS: dict[pa.DataType, pl.DataType] = {pa.string(): pl.String(), pa.int64(): pl.Int64(), pa.float64(): pl.Float64()}
_BINARY = (pa.types.is_binary, pa.types.is_large_binary)
_PLAIN = {
    pa.bool_(): (pa.types.is_boolean,),
    pa.int64(): (pa.types.is_integer, pa.types.is_timestamp),
    pa.float64(): (pa.types.is_floating, pa.types.is_decimal),
    pa.string(): (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_date,
        *_BINARY,
    ),
}


class Cast(NamedTuple):
    """A column in its new type; null, and a reason, where a value did not fit.

    Attributes:
        array: The column.
        faults: Rows that did not fit and why, as a reason code.
    """

    array: pa.Array
    faults: list[tuple[Bools, str]]


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return which of string, int64, float64 and bool a file's type is taken for; null for any other."""
    found = stored_type(kind)
    if pa.types.is_decimal(found) and found.scale <= 0:
        return pa.int64()
    return next((target for target, tests in _PLAIN.items() if any(test(found) for test in tests)), pa.null())


def read_as(array: pa.Array, target: pa.DataType) -> Cast:
    """Return a file's column of any type as string, int64, float64 or bool, or `INSTANT` as int64 milliseconds.

    Instants become milliseconds UTC (without a zone they are UTC), dates `YYYY-MM-DD`; decimals and numbers beyond 64
    bits become texts with all their digits, whole numbers exactly, or the nearest double. Faults: `invalid_utf8`,
    `out_of_range`, those of `cast`, and `wrong_type` for every value of another type.
    """
    found = stored(array)
    if pa.types.is_decimal(found.type):
        return _decimal(found, target)
    if found.type == pa.uint64() and target == pa.string():
        return Cast(found.cast(target), [])
    one = _plain(found)
    two = cast(one.array, target)
    return Cast(two.array, one.faults + two.faults)


def _plain(array: pa.Array) -> Cast:
    """Return a stored column as string, int64, float64 or bool."""
    kind, target = array.type, plain_type(array.type)
    if pa.types.is_null(target):
        return _none_fits(array, pa.string())
    if pa.types.is_timestamp(kind):
        return Cast(_milliseconds(array), [])
    if kind == pa.uint64():
        over = pc.greater(array, pa.scalar(2**63 - 1, pa.uint64())).fill_null(False)
        fitting = pc.if_else(over, pa.scalar(None, pa.uint64()), array)
        return Cast(fitting.cast(target), _fault(mask_of(over), "out_of_range"))
    if pa.types.is_date(kind):
        return _dates(array)
    if target == pa.string():
        return _text(array)
    return Cast(_nearest_doubles(array) if pa.types.is_decimal(kind) else array.cast(target, safe=False), [])


def _dates(array: pa.Array) -> Cast:
    """Return dates of the years 0 to 9999 as text."""
    whole, day = (pa.int32(), 1) if array.type == pa.date32() else (pa.int64(), _DAY)
    ticks: NDArray[np.int64] = array.view(whole).fill_null(0).to_numpy()
    beyond = (ticks < _FIRST_DAY * day) | (ticks >= _END_DAY * day)
    fitting = pc.if_else(pa.array(~beyond), array, pa.scalar(None, array.type))
    return Cast(fitting.cast(pa.string()), _fault(beyond, "out_of_range"))


def _decimal(array: pa.Array, target: pa.DataType) -> Cast:
    """Return decimals in another type, never through a double but as one."""
    text = digits(array)
    if target == pa.float64():
        return Cast(to_arrow(text.cast(pl.Float64())), [])
    whole = text if target == pa.string() else text.str.replace(_ZERO_FRACTION, "")
    return cast(to_arrow(whole), pa.int64() if target == INSTANT else target)


def cast(array: pa.Array, target: pa.DataType) -> Cast:
    """Return a plain column in the type of its field, if nothing is lost; instants as int64 milliseconds UTC.

    Texts that are whole numbers, numbers, `true` or `false` become that, and to `INSTANT` RFC 3339 as well; numbers and
    truth values become texts; a double becomes whole if it is. Faults: `wrong_type`, `out_of_range`, `non_finite`.
    """
    kind = array.type
    if kind == target:
        return Cast(array, [])
    if target == INSTANT:
        return _instant(array) if kind == pa.string() else cast(array, pa.int64())
    if kind == pa.string():
        return _truth(array) if target == pa.bool_() else _number(array, target)
    if kind == pa.float64() and target == pa.int64():
        return _whole(array)
    if (kind == pa.int64() and target != pa.bool_()) or (kind == pa.bool_() and target == pa.string()):
        return Cast(array.cast(target, safe=False), [])
    return _none_fits(array, target)


def _none_fits(array: pa.Array, target: pa.DataType) -> Cast:
    return Cast(pa.nulls(len(array), target), _fault(mask_of(array.is_valid()), "wrong_type"))


def _text(array: pa.Array) -> Cast:
    """Return text that is surely UTF-8."""
    text = array
    if any(test(array.type) for test in _BINARY):
        text = array.cast(pa.binary()).view(pa.string())
    elif array.type != pa.string():
        text = array.cast(pa.string())
    try:
        text.validate(full=True)
        return Cast(text, [])
    except pa.ArrowInvalid:
        return _decoded(text.view(pa.binary()))


def _decoded(raw: pa.Array) -> Cast:
    """Return the values that are UTF-8, looked at one by one."""
    bad = np.zeros(len(raw), np.bool_)
    texts: list[str | None] = [None] * len(raw)
    for row, value in enumerate(raw.to_pylist()):
        try:
            texts[row] = None if value is None else value.decode()
        except UnicodeDecodeError:
            bad[row] = True
    return Cast(pa.array(texts, pa.string()), _fault(bad, "invalid_utf8"))


def _nearest_doubles(array: pa.Array) -> pa.Array:
    """Return decimals as the doubles nearest to them: what Arrow makes of every eighth is not."""
    if pa.types.is_decimal128(array.type):
        return to_arrow(pl.Series(array).cast(pl.Float64))
    return array.cast(pa.string()).cast(pa.float64())


def _milliseconds(array: pa.Array) -> pa.Array:
    """Return instants as int64 milliseconds, rounded down."""
    unit = array.type.unit
    ticks = array.view(pa.int64())
    if unit == "ms":
        return ticks
    numbers: NDArray[np.int64] = ticks.fill_null(0).to_numpy()
    in_range = np.clip(numbers, -_MAX_SECONDS, _MAX_SECONDS)
    numbers = in_range * 1000 if unit == "s" else numbers // _PER_MILLISECOND[unit]
    return pa.array(numbers, mask=mask_of(array.is_null()))


def _number(array: pa.Array, target: pa.DataType) -> Cast:
    text = pl.Series(array)
    numbers = text.cast(_POLARS[target], strict=False)
    bad: Bools = (numbers.is_null() & text.is_not_null()).to_numpy()
    faults = _fault(bad, "wrong_type")
    if target == pa.int64() and faults:
        beyond: Bools = bad & text.str.contains(_WHOLE).fill_null(False).to_numpy()
        faults = _fault(beyond, "out_of_range") + _fault(bad & ~beyond, "wrong_type")
    return Cast(to_arrow(numbers), faults)


def _instant(array: pa.Array) -> Cast:
    """Return milliseconds of texts that are whole numbers or else RFC 3339."""
    text = pl.Series(array)
    whole = text.str.contains(_WHOLE).fill_null(True)
    numbers = _number(to_arrow(text.set(~whole, None)), pa.int64())
    if whole.all():
        return numbers
    parsed = pl.select(from_iso(pl.lit(text))).to_series()
    bad: Bools = (parsed.is_null() & ~whole).to_numpy()
    made = pc.if_else(to_arrow(whole), numbers.array, to_arrow(parsed))
    return Cast(made, numbers.faults + _fault(bad, "wrong_type"))


def _truth(array: pa.Array) -> Cast:
    known = pc.is_in(array, pa.array(["true", "false"]))
    bad = pc.and_(array.is_valid(), pc.invert(known))
    return Cast(pc.if_else(known, pc.equal(array, "true"), None), _fault(mask_of(bad), "wrong_type"))


def _whole(array: pa.Array) -> Cast:
    numbers: NDArray[np.float64] = array.fill_null(0.0).to_numpy()
    infinite = ~np.isfinite(numbers)
    finite = np.where(infinite, 0.0, numbers)  # numpy warns of some NaNs
    beyond = np.abs(finite) >= 2.0**63
    broken = ~beyond & (np.floor(finite) != finite)
    bad = infinite | beyond | broken
    whole = np.where(bad, 0.0, finite).astype(np.int64)
    faults = _fault(infinite, "non_finite") + _fault(beyond, "out_of_range") + _fault(broken, "wrong_type")
    return Cast(pa.array(whole, mask=bad | mask_of(array.is_null())), faults)


def _fault(bad: Bools, reason: str) -> list[tuple[Bools, str]]:
    return [(bad, reason)] if bad.any() else []


def to_arrow(series: pl.Series) -> pa.Array:
    """Return a polars column as an Arrow array of a plain type."""
    array = series.to_arrow(compat_level=pl.CompatLevel.oldest())
    return array.cast(pa.string()) if pa.types.is_large_string(array.type) else array
