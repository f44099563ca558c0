"""Sorted tables as files: Parquet and JSON Lines. Equal rows give equal bytes, whatever order they came in."""

from collections.abc import Iterable, Sequence
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_ROWS = 32_768  # that are text at once, so that memory stays modest


def sorted_table(batches: Iterable[pa.RecordBatch], schema: pa.Schema, sort_by: Sequence[str]) -> pa.Table:
    """Put all rows into one table of one chunk, in one order.

    Args:
        batches: Batches with at least the columns of `schema`; int64 milliseconds become timestamps.
        schema: The columns to keep, in their order.
        sort_by: The columns to sort by, ascending, nulls last. Ties go by the other columns that are not nested.

    Returns:
        The table; without rows it still has the schema.

    Raises:
        pa.ArrowInvalid: a value does not fit the schema.
    """
    plain = schema.remove_metadata()
    tables = [pa.Table.from_batches([batch]).select(plain.names).cast(plain) for batch in batches]
    table = pa.concat_tables([plain.empty_table(), *tables]).combine_chunks()
    others = [field.name for field in plain if not pa.types.is_nested(field.type) and field.name not in sort_by]
    return table.take(pc.sort_indices(table, [(name, "ascending") for name in (*sort_by, *others)]))


def write_parquet(table: pa.Table, sink: BinaryIO) -> None:
    """Write a Parquet file, zstd."""
    pq.write_table(table, sink, compression="zstd")


def write_json_lines(table: pa.Table, sink: BinaryIO, objects: Sequence[str] = ()) -> None:
    """Write one JSON object a line: instants as RFC 3339 with milliseconds and Z, bytes as base64, null as null.

    Args:
        table: The rows.
        sink: Where to write.
        objects: Columns of JSON text that becomes part of the line, at its end.
    """
    for first in range(0, table.num_rows, _ROWS):
        rows = table.slice(first, _ROWS).combine_chunks()
        columns = [_as_text(column.combine_chunks()) for column in rows.columns]
        frame = pl.DataFrame(pa.Table.from_arrays(columns, names=rows.column_names))
        if objects:
            sink.write(_lines_with(frame, objects))
        else:
            frame.write_ndjson(sink)


def _lines_with(frame: pl.DataFrame, objects: Sequence[str]) -> bytes:
    ends = [pl.format(f',"{name}":{{}}', pl.col(name).fill_null("null")) for name in objects]
    rest = pl.struct(pl.exclude(*objects)).struct.json_encode().str.strip_suffix("}")
    lines = frame.select(pl.concat_str(rest, *ends, pl.lit("}\n"))).to_series()
    return str(lines.str.join("").item()).encode()


def _as_text(array: pa.Array) -> pa.Array:
    """Return an array with its instants and bytes, at any depth, as the text that JSON Lines has for them."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        return pc.strftime(array, "%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_binary(kind):
        return pl.Series(array, dtype=pl.Binary).bin.encode("base64").to_arrow()
    if pa.types.is_struct(kind):
        children = [_as_text(array.field(i)) for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(children, names=[field.name for field in kind], mask=array.is_null())
    if pa.types.is_list(kind):
        whole = pa.concat_arrays([array])  # offsets of a slice cannot take a mask
        return pa.ListArray.from_arrays(whole.offsets, _as_text(whole.values), mask=whole.is_null())
    return array
