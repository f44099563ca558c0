"""Arrow tables with plain strings and lists, as contracts and other engines know them."""

from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.records import INSTANT


def framed(table: pa.Table) -> pl.DataFrame:
    """Return a table as a frame."""
    return cast(pl.DataFrame, pl.from_arrow(table))


def as_written(query: pl.LazyFrame) -> pl.DataFrame:
    """Run a query at once, its steps as they are written: one call costs less than one for each of them."""
    return query.collect(optimizations=pl.QueryOptFlags.none())


def tabled(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """Return the columns of a schema, in one chunk each."""
    rows = frame.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    return rows.cast(schema).combine_chunks()


def plain(table: pl.DataFrame) -> pa.Table:
    """Return a table without large or view types; timestamps are milliseconds UTC."""
    made = unmasked(table.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return made.cast(pa.schema([pa.field(f.name, _plain(f.type)) for f in made.schema]))


def unmasked(table: pa.Table) -> pa.Table:
    """Return the same table with nothing under its NULLs: a text that was masked would travel on, and be kept."""
    for n, field in enumerate(table.schema):
        column = table.column(n)
        if column.null_count and (pa.types.is_large_string(field.type) or pa.types.is_string(field.type)):
            missing = column.is_null().to_numpy()
            table = table.set_column(n, field, column.take(pa.array(np.arange(len(column)), mask=missing)))
    return table


def used(encoded: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return the same values with a dictionary that holds no others, in the order of the dictionary."""
    indices = encoded.indices.to_numpy()
    there = np.zeros(len(encoded.dictionary), bool)
    there[indices] = True
    if there.all():
        return encoded
    return pa.DictionaryArray.from_arrays(
        pa.array((np.cumsum(there) - 1)[indices].astype(np.int32)), encoded.dictionary.filter(pa.array(there))
    )


def _plain(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(type_):
        return pa.string()
    if pa.types.is_large_list(type_):
        return pa.list_(_plain(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(f.name, _plain(f.type)) for f in type_])
    return INSTANT if pa.types.is_timestamp(type_) else type_
