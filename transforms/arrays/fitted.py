"""Tables in the columns of a schema that is not quite their own."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc


def fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the columns of a schema: fields of structs too are found by name, and NULL where there are none.

    Raises:
        pyarrow.ArrowException: a column is of a type that cannot become the other.
    """
    columns = [
        _as(table[field.name].combine_chunks(), field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def misfits(have: pa.Schema, want: pa.Schema) -> Iterator[str]:
    """Yield the columns, and fields of structs, that have another type; those that one has alone are none."""
    yield from _unlike("", [*have], [*want])


def _unlike(prefix: str, have: list[pa.Field], want: list[pa.Field]) -> Iterator[str]:
    known = {field.name: field.type for field in have}
    for field in want:
        mine = known.get(field.name, field.type)
        if pa.types.is_struct(mine) and pa.types.is_struct(field.type):
            yield from _unlike(f"{prefix}{field.name}.", [*mine], [*field.type])
        elif mine != field.type:
            yield f"{prefix}{field.name}"


def _as(column: pa.Array, want: pa.DataType) -> pa.Array:
    if not (pa.types.is_struct(want) and pa.types.is_struct(column.type)) or column.type == want:
        return column.cast(want)
    known = {field.name: n for n, field in enumerate(column.type)}
    parts = [
        _as(pc.struct_field(column, [known[field.name]]), field.type)
        if field.name in known
        else pa.nulls(len(column), field.type)
        for field in want
    ]
    return pa.StructArray.from_arrays(parts, fields=[*want], mask=column.is_null())
