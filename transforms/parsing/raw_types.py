"""Which raw columns a source's map reads, and their types where the file does not tell."""

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
from sqlglot import exp

from schemas.contracts import ARROW_TYPES, TRACE
from schemas.errors import LoadError, LoadErrors
from schemas.name_checks import RESERVED_WORDS
from schemas.sources import Source
from transforms.compiler.sql.parse import name_of, parse
from transforms.compiler.sql.values import ExpressionError
from transforms.parsing.instants import FUNCTIONS
from transforms.parsing.raw import OURS

_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)


def made_fields(source: Source, needed: Iterable[str]) -> tuple[str, ...]:
    """Return the contract fields to make, in the contract's order.

    They are the required ones, the needed ones and, where the id is a hash of the content, all that are mapped;
    without a `source` that is constant, and an id that is made. At last comes `TRACE`, where a map leaves it to others.
    """
    config = source.config
    wanted = {*needed, "subject_kind", *(field.name for field in source.contract.fields if field.required)}
    if config.without_id:
        wanted |= set(source.contract.by_name if config.map is None else config.map)
    wanted -= {"id"} if config.without_id else set()
    wanted -= set() if source.brings_producer else {"source"}
    traced = config.map is None or TRACE.name in config.map
    made = tuple(field.name for field in source.contract.fields if field.name in wanted)
    return (*made, TRACE.name) if traced else made


def field_texts(source: Source, fields: Iterable[str]) -> dict[str, str]:
    """Return the expression of each field that has one; without a map it is the column of the field's name."""
    texts = {name: f'"{name}"' for name in fields} if source.config.map is None else source.config.map
    texts = {**texts, **source.given}
    return {name: text for name in fields if (text := texts.get(name)) is not None}


def column_of(text: str) -> str | None:
    """Return the column that an expression is, be it in quotes or brackets; None: it is none, or more than that."""
    try:
        tree = parse(text).unnest()
        return name_of(tree) if isinstance(tree, exp.Column) else None
    except ExpressionError:
        return None


def raw_types(source: Source, fields: Iterable[str]) -> dict[str, pa.DataType]:
    """Return the type of each raw column that the fields are made from, for text formats.

    `columns` of sources.yaml decides; else a column that is a field by itself has the field's type, or `INSTANT`; one
    that is calculated with or compared with a number is a double; the rest are texts.

    Raises:
        LoadErrors: expressions that do not parse, columns that no file can have, or that `header` names twice.
    """
    types: dict[str, pa.DataType] = {}
    numbers: set[str] = set()
    errors: list[LoadError] = []
    for name, text in field_texts(source, fields).items():
        try:
            tree = parse(text)
            columns = _columns(tree)
        except ExpressionError as error:
            errors.append(source.error(("map", name), error.message, text, error.hint or _quoting(text)))
            continue
        if column := column_of(text):
            types[column] = source.field(name).text_type
        types |= {column: pa.string() for column in columns if column not in types}
        numbers |= set(_numbers(tree))
    errors += _named_twice(source, types)
    if errors:
        raise LoadErrors(errors)
    types |= {column: pa.float64() for column in numbers if types[column] == pa.string()}
    return types | _declared(source.config.columns, types)


def _quoting(text: str) -> str:
    return f"""a column of that name is '"{text}"'""" if text.lower() in RESERVED_WORDS else ""


def _columns(tree: exp.Expr) -> list[str]:
    """Return the names of the columns in an expression."""
    names = [name_of(column) for column in tree.find_all(exp.Column)]
    if any(name.startswith(OURS) for name in names):
        raise ExpressionError("reads a column whose name begins with the character U+0001", "rename the column")
    return names


def _named_twice(source: Source, used: Iterable[str]) -> list[LoadError]:
    """Return which used columns the header in sources.yaml names more than once."""
    names = source.config.header or []
    hint = "give each column a name of its own; those that no map reads may share one"
    return [
        source.error(("header",), f"names `{name}` more than once", hint=hint) for name in used if names.count(name) > 1
    ]


def _declared(columns: Mapping[str, str], used: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    return {name: ARROW_TYPES[kind] for name, kind in columns.items() if name in used}


def _numbers(tree: exp.Expr) -> Iterator[str]:
    """Yield the columns that an expression uses as numbers."""
    for column in tree.find_all(exp.Column):
        node: exp.Expr = column
        while isinstance(node.parent, exp.Paren):
            node = node.parent
        parent = node.parent
        compared = isinstance(parent, _COMPARISONS) and _beside_number(parent)
        passed = isinstance(parent, exp.Anonymous) and _takes_number(parent, node)
        if isinstance(parent, _ARITHMETIC) or compared or passed:
            yield name_of(column)


def _beside_number(comparison: exp.Expr) -> bool:
    return any(_is_number(part) for part in comparison.iter_expressions())


def _is_number(node: exp.Expr) -> bool:
    inner = node.this if isinstance(node, exp.Neg) else node
    return isinstance(inner, exp.Literal) and not inner.is_string


def _takes_number(call: exp.Anonymous, argument: exp.Expr) -> bool:
    function = FUNCTIONS.get(str(call.this).upper())
    place = next(i for i, given in enumerate(call.expressions) if given is argument)
    return function is not None and function.takes[place : place + 1] in (("number",), ("double",))
