"""Values of any Arrow type for people: what Python cannot hold is told as text."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_TEXTS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
_TIMES = (pa.types.is_timestamp, pa.types.is_date, pa.types.is_time, pa.types.is_duration)


def shown(array: pa.Array, rows: NDArray[np.int64]) -> list[Any]:
    """Return some values of a column as what JSON has, or text: bytes that are no UTF-8 are escaped."""
    return [_one(array[row]) for row in rows.tolist()]


def _one(scalar: pa.Scalar) -> Any:
    """Return one value."""
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.ExtensionScalar | pa.DictionaryScalar):
        return _one(scalar.value)
    if any(test(scalar.type) for test in _TEXTS):
        return scalar.as_buffer().to_pybytes().decode("utf-8", "backslashreplace")
    if any(test(scalar.type) for test in _TIMES):
        return _time(scalar)
    try:
        value = scalar.as_py()
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value
    except (ArithmeticError, LookupError, ValueError, pa.ArrowException):
        return f"a {scalar.type} that cannot be shown"


def _time(scalar: pa.Scalar) -> str:
    """Return an instant in UTC, a time or a duration, of any year and unit, whatever its zone is called."""
    kind = pa.timestamp(scalar.type.unit) if pa.types.is_timestamp(scalar.type) else scalar.type
    return str(pa.array([scalar.value], pa.int64()).cast(_width(kind)).view(kind).cast(pa.string())[0].as_py())


def _width(kind: pa.DataType) -> pa.DataType:
    """Return the whole number that a type is made of."""
    return pa.int32() if kind.bit_width == 32 else pa.int64()
