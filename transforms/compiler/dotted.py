"""Names with a dot, as `profile.tariff`: columns of a frame here, structs within the struct of a context outside."""

from collections.abc import Mapping

import polars as pl

NOTHING = "nothing"
"""The name of what stands for no column at all."""


def struct_of(columns: Mapping[str, pl.Expr]) -> pl.Expr:
    """Return a struct of named columns; those whose names share what is before the dot are a struct in it.

    Files have no struct of nothing: without columns there is `NOTHING`, which is null.
    """
    columns = columns or {NOTHING: pl.lit(None, pl.Boolean)}
    parts: dict[str, dict[str, pl.Expr]] = {}
    for name, column in columns.items():
        head, _, rest = name.partition(".")
        parts.setdefault(head, {})[rest] = column
    fields = [
        inner[""] if "" in inner else pl.struct([column.alias(rest) for rest, column in inner.items()])
        for inner in parts.values()
    ]
    return pl.struct([field.alias(head) for head, field in zip(parts, fields, strict=True)])


def columns_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose structs are columns with a dot in their names."""
    columns = []
    for name, dtype in frame.schema.items():
        inner = dtype.fields if isinstance(dtype, pl.Struct) else []
        columns += [pl.col(name).struct.field(field.name).alias(f"{name}.{field.name}") for field in inner]
        columns += [] if inner else [pl.col(name)]
    return frame.select(columns)
