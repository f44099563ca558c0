"""Reference tables in expressions: `tariffs.unlimited` is a value derived from the key, a field of the profile."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping

import polars as pl

from schemas.contracts import ARROW_TYPES
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.tables import Cell
from transforms.compiler.compile_expression import Expression, ScopeColumn
from transforms.compiler.compiling import Compiling
from transforms.compiler.definitions import Derived
from transforms.compiler.features import DTYPES
from transforms.compiler.profiles import PROFILE

VERSION = "version"
"""The name under which a table's version stands beside its columns."""


def keys_of_tables(playbook: Playbook, read: Collection[str]) -> set[str]:
    """Return the fields of the profile by which the tables are looked up that are read."""
    used = {name.partition(".")[0] for name in read}
    return {table.key for name, table in playbook.tables.items() if name in used}


def table_scope(playbook: Playbook) -> dict[str, ScopeColumn]:
    """Return what an expression may read of the tables of a playbook."""
    scope: dict[str, ScopeColumn] = {}
    for name, table in playbook.contents.items():
        types = {f"{name}.{column}": ARROW_TYPES[type_] for column, type_ in table.types.items()}
        scope |= {column: ScopeColumn(DTYPES[type_]) for column, type_ in types.items()}
        scope[f"{name}.{VERSION}"] = ScopeColumn(pl.String(), nullable=False)
    return scope


def table_values(compiling: Compiling, scope: Mapping[str, ScopeColumn], read: Collection[str]) -> Iterator[Derived]:
    """Yield each column of a table that is read, and the version of the table: so it is in contexts, too.

    Args:
        compiling: The level; keys that are no texts of the profile are noted there.
        scope: The profile and the tables.
        read: The names that expressions read.
    """
    playbook = compiling.playbook
    keys = [field for field, column in scope.items() if field.startswith(f"{PROFILE}.") and column.dtype == pl.String()]
    for name, table in playbook.contents.items():
        key = playbook.tables[name].key
        if keys and key not in keys:
            compiling.fail_at(("tables", name, "key"), f"`{key}` is no text of the profile", near_miss(key, keys))
        mine = [column for column in table.columns if f"{name}.{column}" in read]
        if key in keys and (mine or f"{name}.{VERSION}" in read):
            for column in mine:
                values = pl.Series(table.columns[column], dtype=scope[f"{name}.{column}"].dtype)
                found = pl.col(key).replace_strict(table.keys, values, default=None, return_dtype=values.dtype)
                pairs = list(zip(table.keys, table.columns[column], strict=True))
                yield _value(f"{name}.{column}", found, key, values.dtype, _hash(pairs))
            yield _value(f"{name}.{VERSION}", pl.lit(table.version), None, pl.String(), table.version)


def _value(name: str, expr: pl.Expr, key: str | None, dtype: pl.DataType, meaning: str) -> Derived:
    columns = frozenset[str]() if key is None else frozenset({key})
    return Derived(name, Expression(name, f"{name} {meaning}", expr, columns, dtype, True, {}, frozenset()), None)


def _hash(pairs: list[tuple[str, Cell]]) -> str:
    return hashlib.blake2b(json.dumps(sorted(pairs)).encode(), digest_size=8).hexdigest()
