"""Columns of any Arrow layout as ones that all kernels know, with the same values."""

import uuid

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

_VIEWS = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
_POLARS_DIGITS = 38


def stored_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that `stored` gives a column; decimals stay decimals."""
    if kind == pa.uuid():
        return pa.string()
    if kind == pa.bool8():
        return pa.bool_()
    if isinstance(kind, pa.BaseExtensionType):
        return stored_type(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return stored_type(kind.value_type)
    return pa.binary() if pa.types.is_fixed_size_binary(kind) else _VIEWS.get(kind, kind)


def stored(array: pa.Array) -> pa.Array:
    """Return a column without dictionaries, runs, views and extensions; a UUID is the text of it."""
    kind = array.type
    if kind == pa.uuid():
        return pa.array(
            [None if one is None else str(uuid.UUID(bytes=one)) for one in array.storage.to_pylist()], pa.string()
        )
    if kind == pa.bool8():
        return array.storage.cast(pa.bool_())
    if isinstance(kind, pa.BaseExtensionType):
        return stored(array.storage)
    if pa.types.is_dictionary(kind):
        return stored(array.dictionary).take(array.indices)
    if pa.types.is_run_end_encoded(kind):
        return stored(pc.run_end_decode(array))
    target = stored_type(kind)
    return array if target == kind else array.cast(target)


def digits(array: pa.Array) -> pl.Series:
    """Return decimals as text: all their digits, no exponent."""
    if array.type.precision <= _POLARS_DIGITS and array.type.scale >= 0:
        return pl.Series(array).cast(pl.String)
    texts = (None if one is None else format(one, "f") for one in array.to_pylist())
    return pl.Series(list(texts), dtype=pl.String)
