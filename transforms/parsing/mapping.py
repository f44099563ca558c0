"""Raw columns to contract fields: compiled once for each layout of columns, run on whole blocks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from schemas.contracts import Field
from schemas.errors import LoadError, LoadErrors
from schemas.near_miss import near_miss
from schemas.records import INSTANT
from schemas.sources import Source
from transforms.context.plan.expressions import Expression, ExpressionError, ScopeColumn, compile_expression
from transforms.context.plan.sql.values import BOOL, DOUBLE, INT, TEXT
from transforms.parsing.casts import cast, plain, plain_type, to_arrow
from transforms.parsing.instants import EXTRA
from transforms.parsing.problems import Problems
from transforms.parsing.raw import POSITION
from transforms.parsing.raw_types import field_texts, raw_types

_DTYPES: dict[pa.DataType, pl.DataType] = {
    pa.string(): TEXT,
    pa.int64(): INT,
    INSTANT: INT,
    pa.float64(): DOUBLE,
    pa.bool_(): BOOL,
}
_GIVES: dict[pa.DataType, tuple[pl.DataType, ...]] = {
    pa.string(): (TEXT, INT, BOOL),
    pa.int64(): (INT, DOUBLE),
    pa.float64(): (DOUBLE, INT),
    pa.bool_(): (BOOL,),
}
_NAMES = {
    pa.string(): "text",
    pa.int64(): "a whole number",
    INSTANT: "an instant (RFC 3339, or whole milliseconds)",
    pa.float64(): "a number",
    pa.bool_(): "true or false",
}


@dataclass(frozen=True)
class Mapper:
    """Makes the fields of one source from blocks of one layout.

    Attributes:
        fields: The fields to make.
        types: Raw column to its type before expressions see it.
        direct: Field to the raw column that it is.
        computed: Field to the expression that makes it.
    """

    fields: tuple[Field, ...]
    types: Mapping[str, pa.DataType]
    direct: Mapping[str, str]
    computed: Mapping[str, Expression]

    def __call__(self, block: pa.RecordBatch, problems: Problems) -> dict[str, pa.Array]:
        """Return the fields of a block; a field without a source is null.

        Args:
            block: Raw columns, of the layout that this was compiled for.
            problems: Notes rows whose raw values do not fit their types.
        """
        raw = {name: self._column(block, name, kind, problems) for name, kind in self.types.items()}
        computed = self._compute(raw, block)
        return {field.name: self._field(field, raw, computed, block.num_rows, problems) for field in self.fields}

    def _column(self, block: pa.RecordBatch, name: str, kind: pa.DataType, problems: Problems) -> pa.Array:
        """Return a raw column in the type that expressions see."""
        if name not in block.schema.names:
            return pa.nulls(block.num_rows, plain_type(kind))
        found = plain(block.column(name))
        made = cast(found.array, kind)
        for bad, reason in found.faults + made.faults:
            problems.add(bad, reason, _misfit(name, kind, reason))
        return made.array

    def _compute(self, raw: Mapping[str, pa.Array], block: pa.RecordBatch) -> Mapping[str, pa.Array]:
        if not self.computed:
            return {}
        used = set().union(*(expression.columns for expression in self.computed.values()))
        columns = {name: pl.Series(name, _finite(raw[name])) for name in used}
        frame = pl.DataFrame({POSITION: pl.Series(block.column(POSITION)), **columns})
        made = frame.select(**{name: expression.expr for name, expression in self.computed.items()})
        return {name: to_arrow(made[name]) for name in self.computed}

    def _field(
        self,
        field: Field,
        raw: Mapping[str, pa.Array],
        computed: Mapping[str, pa.Array],
        rows: int,
        problems: Problems,
    ) -> pa.Array:
        if field.name in self.direct:
            array = raw[self.direct[field.name]]
        elif field.name in computed:
            array = computed[field.name]
        else:
            return pa.nulls(rows, field.type)
        made = cast(array, field.type)
        for bad, reason in made.faults:
            problems.add(bad, reason, _misfit(field.name, field.type, reason))
        return made.array


def compile_mapper(source: Source, fields: Iterable[str], layout: Mapping[str, pa.DataType]) -> Mapper:
    """Compile what makes the fields from raw columns.

    Args:
        source: What sources.yaml says.
        fields: Names of the contract fields to make.
        layout: The raw columns that there are, with the types that the file gives them.

    Raises:
        LoadErrors: columns that are not there, and every mistake in an expression.
    """
    texts = field_texts(source, fields)
    given = {name: plain_type(kind) for name, kind in layout.items()}
    types = _types(source, texts, given)
    scope = {name: ScopeColumn(_DTYPES[kind]) for name, kind in types.items()}
    direct: dict[str, str] = {}
    computed: dict[str, Expression] = {}
    errors: list[LoadError] = []
    for name, text in texts.items():
        field = source.field(name)
        if text in types:
            direct[name] = text
        elif source.config.map is None and not field.required:
            continue
        else:
            try:
                computed[name] = compile_expression(text, scope, functions=EXTRA, gives=_GIVES[field.type])
            except ExpressionError as error:
                errors.append(_error(source, field, text, error, layout))
    if errors:
        raise LoadErrors(errors)
    return Mapper(tuple(source.field(name) for name in fields), types, direct, computed)


def _types(source: Source, texts: Mapping[str, str], given: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    """Return the type of each used column that there is: as declared, else the file's, for text by the rule."""
    ruled = raw_types(source, texts)
    declared = source.config.columns
    kept = (pa.string(), pa.null())
    return {
        name: kind if name in declared or given[name] in (*kept, plain_type(kind)) else given[name]
        for name, kind in ruled.items()
        if name in given
    }


def _error(
    source: Source, field: Field, text: str, error: ExpressionError, layout: Mapping[str, pa.DataType]
) -> LoadError:
    if source.config.map is None:
        message = f"the files have no column `{field.name}`"
        return source.error((), message, hint=f"map it in sources.yaml; {near_miss(field.name, layout)}")
    return source.error(("map", field.name), error.message, text, error.hint)


def _misfit(name: str, kind: pa.DataType, reason: str) -> str:
    if reason == "invalid_utf8":
        return f"`{name}` is not UTF-8"
    fits = f"`{name}` is not {_NAMES[kind]}"
    return f"{fits} that fits into 64 bits" if reason == "out_of_range" else fits


def _finite(array: pa.Array) -> pa.Array:
    """Return a column with null for infinities and NaN, as expressions expect."""
    if array.type != pa.float64():
        return array
    return pc.if_else(pc.is_finite(array), array, None)
