"""Sorted tables as files: Parquet, JSON Lines, Avro. Equal rows give equal bytes, whatever order they came in."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import fastavro
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_JSON_ROWS = 32_768  # rows that are text at once, so that memory stays modest


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


def write_json_lines(table: pa.Table, sink: BinaryIO) -> None:
    """Write one JSON object a line: instants as RFC 3339 with milliseconds and Z, bytes as base64, null as null."""
    for first in range(0, table.num_rows, _JSON_ROWS):
        rows = table.slice(first, _JSON_ROWS).combine_chunks()
        columns = [_as_text(column.combine_chunks()) for column in rows.columns]
        pl.DataFrame(pa.Table.from_arrays(columns, names=rows.column_names)).write_ndjson(sink)


def write_avro(table: pa.Table, sink: BinaryIO, schema: Mapping[str, Any]) -> None:
    """Write an Avro container, deflate; its sync marker is a hash of the schema.

    A struct where `schema` has a string becomes JSON text; columns that `schema` does not have are left out.
    """
    marker = hashlib.blake2b(json.dumps(schema, sort_keys=True).encode(), digest_size=16).digest()
    parsed = fastavro.parse_schema(dict(schema))
    fastavro.writer(sink, parsed, _avro_rows(table, schema), codec="deflate", sync_marker=marker)


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


def _avro_rows(table: pa.Table, schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the rows, nested structs as JSON text where Avro has a string."""
    for batch in table.to_batches(max_chunksize=_JSON_ROWS):
        for row in batch.to_pylist():
            yield _avro_record(row, schema)


def _avro_record(row: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    return {field["name"]: _avro_value(row.get(field["name"]), field["type"]) for field in schema["fields"]}


def _avro_value(value: Any, kind: Any) -> Any:
    if not isinstance(value, dict):
        return value
    branches = kind if isinstance(kind, list) else [kind]
    record = next((branch for branch in branches if isinstance(branch, dict) and branch["type"] == "record"), None)
    return json.dumps(value, sort_keys=True) if record is None else _avro_record(value, record)
