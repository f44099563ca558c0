"""Arrow tables with plain strings and lists, as contracts and other engines know them."""

import polars as pl
import pyarrow as pa

from schemas.records import INSTANT


def plain(table: pl.DataFrame) -> pa.Table:
    """Return a table without large or view types; timestamps are milliseconds UTC."""
    made = table.to_arrow(compat_level=pl.CompatLevel.oldest())
    return made.cast(pa.schema([pa.field(f.name, _plain(f.type)) for f in made.schema]))


def _plain(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(type_):
        return pa.string()
    if pa.types.is_large_list(type_):
        return pa.list_(_plain(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(f.name, _plain(f.type)) for f in type_])
    return INSTANT if pa.types.is_timestamp(type_) else type_
