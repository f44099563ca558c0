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
from transforms.compiler.compile_expression import (
    Expression,
    ExpressionError,
    ScopeColumn,
    compile_expression,
    in_frame,
)
from transforms.compiler.sql.values import BOOL, DOUBLE, INT, TEXT
from transforms.parsing.casts import cast, plain_type, read_as, to_arrow
from transforms.parsing.instants import EXTRA
from transforms.parsing.misfit import misfit
from transforms.parsing.problems import Problems
from transforms.parsing.raw import POSITION, Bools, mask_of
from transforms.parsing.raw_types import column_of, field_texts, raw_types
from transforms.parsing.stored import stored_type
from transforms.parsing.unmade import unmade

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
_LOST = (
    "the map of `{}` gives NULL for values that are there: mend the map or the values, "
    "or ask for NULL with TRY_CAST, NULLIF or CASE"
)


@dataclass(frozen=True)
class Mapper:
    """Makes the fields of one source from blocks of one layout.

    Attributes:
        fields: The fields to make.
        types: Raw column to its type before expressions see it.
        direct: Field to the raw column that it is.
        apart: Field to what text is read as for it alone, where others read its column as another type.
        computed: Field to the expression that makes it.
        unmade: Field to the condition under which it may not be NULL, where there is one.
    """

    fields: tuple[Field, ...]
    types: Mapping[str, pa.DataType]
    direct: Mapping[str, str]
    apart: Mapping[str, pa.DataType]
    computed: Mapping[str, Expression]
    unmade: Mapping[str, Expression]

    def __call__(self, block: pa.RecordBatch, problems: Problems) -> dict[str, pa.Array]:
        """Return the fields of a block; a field without a source is null.

        Args:
            block: Raw columns, of the layout that this was compiled for.
            problems: Notes rows whose raw values do not fit their types.
        """
        raw = {name: self._column(block, name, kind, problems) for name, kind in self.types.items()}
        computed = self._compute(raw, block, problems)
        alone = {name: self._column(block, self.direct[name], kind, problems) for name, kind in self.apart.items()}
        made = {**{name: raw[column] for name, column in self.direct.items()}, **alone, **computed}
        return {field.name: self._field(field, made, block.num_rows, problems) for field in self.fields}

    def _column(self, block: pa.RecordBatch, name: str, kind: pa.DataType, problems: Problems) -> pa.Array:
        """Return a raw column in the type that expressions see."""
        if name not in block.schema.names:
            return pa.nulls(block.num_rows, plain_type(kind))
        made = read_as(block.column(name), kind)
        for bad, reason in made.faults:
            problems.add(bad, reason, misfit(name, kind, reason, block.column(name).type))
        return made.array

    def _compute(
        self, raw: Mapping[str, pa.Array], block: pa.RecordBatch, problems: Problems
    ) -> Mapping[str, pa.Array]:
        """Return what expressions give, and note where one gives NULL for values that are there."""
        if not self.computed:
            return {}
        used = set().union(*(expression.columns for expression in self.computed.values()))
        columns = {in_frame(name): pl.Series(_finite(raw[name])) for name in used}
        frame = pl.DataFrame({POSITION: pl.Series(block.column(POSITION)), **columns})
        made = frame.select(**{name: expression.expr for name, expression in self.computed.items()})
        for name in self.computed:
            if made[name].null_count():
                self._note_lost(name, made[name].is_null().to_numpy(), frame, raw, problems)
        return {name: to_arrow(made[name]) for name in self.computed}

    def _note_lost(
        self, name: str, null: Bools, frame: pl.DataFrame, raw: Mapping[str, pa.Array], problems: Problems
    ) -> None:
        for column in sorted(self.computed[name].columns):
            if raw[column].type == pa.float64():
                endless = mask_of(pc.invert(pc.is_finite(raw[column])).fill_null(False))
                problems.add(null & endless, "non_finite", f"`{column}` is not a finite number")
        if name in self.unmade:
            fails: Bools = frame.select(self.unmade[name].expr.fill_null(False)).to_series().to_numpy()
            problems.add(null & fails, "map_gives_null", _LOST.format(name))

    def _field(self, field: Field, columns: Mapping[str, pa.Array], rows: int, problems: Problems) -> pa.Array:
        if field.name not in columns:
            return pa.nulls(rows, field.type)
        made = cast(columns[field.name], field.type)
        for bad, reason in made.faults:
            problems.add(bad, reason, misfit(field.name, field.type, reason))
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
    types = _types(source, texts, layout)
    scope = {name: ScopeColumn(_DTYPES[kind]) for name, kind in types.items()}
    direct: dict[str, str] = {}
    computed: dict[str, Expression] = {}
    conditions: dict[str, Expression] = {}
    errors: list[LoadError] = []
    for name, text in texts.items():
        field = source.field(name)
        if (column := column_of(text)) in types:
            direct[name] = column
        elif source.config.map is None and not field.required:
            continue
        else:
            try:
                computed[name] = compile_expression(text, scope, functions=EXTRA, gives=_GIVES[field.type])
                if condition := unmade(text):
                    conditions[name] = compile_expression(condition, scope, functions=EXTRA, gives=(BOOL,))
            except ExpressionError as error:
                errors.append(_error(source, field, text, error, layout))
    if errors:
        raise LoadErrors(errors)
    as_text = {name for name, kind in layout.items() if plain_type(kind) == pa.string()} - {*source.config.columns}
    kinds = {name: source.field(name).text_type for name, column in direct.items() if column in as_text}
    apart = {name: kind for name, kind in kinds.items() if kind != types[direct[name]]}
    return Mapper(tuple(source.field(name) for name in fields), types, direct, apart, computed, conditions)


def _types(source: Source, texts: Mapping[str, str], layout: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    """Return the type of each used column that there is: as declared, else the file's, for text by the rule."""
    ruled = raw_types(source, texts)
    columns = filter(None, map(column_of, texts.values()))
    direct = {name for name in columns if ruled[name] == pa.string() and _is_number(layout.get(name))}
    declared = {*source.config.columns, *direct}
    given = {name: plain_type(kind) for name, kind in layout.items()}
    kept = (pa.string(), pa.null())
    return {
        name: kind if name in declared or given[name] in (*kept, plain_type(kind)) else given[name]
        for name, kind in ruled.items()
        if name in given
    }


def _is_number(kind: pa.DataType | None) -> bool:
    """Return whether a column may hold whole numbers beyond 64 bits."""
    found = pa.null() if kind is None else stored_type(kind)
    return found == pa.uint64() or (pa.types.is_decimal(found) and found.scale <= 0)


def _error(
    source: Source, field: Field, text: str, error: ExpressionError, layout: Mapping[str, pa.DataType]
) -> LoadError:
    if source.config.map is None:
        message = f"the files have no column `{field.name}`"
        return source.error((), message, hint=f"map it in sources.yaml; {near_miss(field.name, layout)}")
    return source.error(("map", field.name), error.message, text, error.hint)


def _finite(array: pa.Array) -> pa.Array:
    """Return a column with null for infinities and NaN, as expressions expect."""
    if array.type != pa.float64():
        return array
    return pc.if_else(pc.is_finite(array), array, None)
