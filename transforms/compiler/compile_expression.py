"""Expressions of playbooks and sources: SQL text, checked and compiled to polars."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import polars as pl
from polars.exceptions import PolarsError
from sqlglot import exp

from schemas.near_miss import near_miss
from transforms.compiler.sql.dates import TICK
from transforms.compiler.sql.forms import FORMS
from transforms.compiler.sql.functions import FUNCTIONS, Function
from transforms.compiler.sql.operators import MEANINGS
from transforms.compiler.sql.parse import inlined, name_of, parse, shown
from transforms.compiler.sql.thresholds import compared, days_compared
from transforms.compiler.sql.values import (
    BOOL,
    DOUBLE,
    INT,
    NULL,
    TEXT,
    TYPES,
    Constant,
    ExpressionError,
    Value,
    describe,
    finite,
)

__all__ = ["Expression", "ExpressionError", "ScopeColumn", "compile_expression", "in_frame"]

_AGGREGATES = ("AVG", "COUNT", "FIRST", "LAST", "MAX", "MEAN", "MEDIAN", "MIN", "STDDEV", "SUM", "VARIANCE")
_NOT_PURE = ("CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "NOW", "RAND", "RANDOM", "TODAY", "UUID")


@dataclass(frozen=True)
class ScopeColumn:
    """A column that an expression may read: one of Int64, Float64 (always finite), String, Boolean."""

    dtype: pl.DataType
    nullable: bool = True


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Attributes:
        text: As written.
        canonical: As understood, with what `let` stands for: equal for equal meaning in the same scope.
        expr: Reads `columns`, as `in_frame` calls them, of a frame and gives one value a row, never infinite or NaN.
        columns: What it reads, through `let` too.
        dtype: Int64, Float64, String or Boolean.
        nullable: Whether it can be NULL although nothing overflows.
        thresholds: Column to the numbers that it is compared with, sorted.
        compared_only: The columns that are only compared with numbers, or asked whether they are NULL.
        days_until: Columns of dates that it counts the days to, and the numbers that it compares these with; None
            where it does something else with them.
        refresh: On what grid it counts them, milliseconds.
    """

    text: str
    canonical: str
    expr: pl.Expr = field(compare=False)
    columns: frozenset[str]
    dtype: pl.DataType
    nullable: bool
    thresholds: Mapping[str, tuple[float, ...]] = field(compare=False)
    compared_only: frozenset[str]
    days_until: Mapping[str, tuple[float, ...] | None] = field(default_factory=dict, compare=False)
    refresh: int = 0


def in_frame(name: str) -> str:
    """Return what a column is called in a frame: polars takes `*` and `^…$` for patterns of names."""
    return f"\x01{name}" if name == "*" or (name.startswith("^") and name.endswith("$")) else name


def compile_expression(
    text: str,
    scope: Mapping[str, ScopeColumn],
    lets: Mapping[str, str] | None = None,
    functions: Mapping[str, Function] | None = None,
    gives: Collection[pl.DataType] = TYPES,
) -> Expression:
    """Check and compile an expression.

    Whole numbers stay exact: what leaves Int64 is NULL, as is every infinite or undefined result, at every step.

    Args:
        text: An SQL scalar expression.
        scope: The columns it may read, by name; a name may hold dots.
        lets: Names that stand for expressions.
        functions: Functions beside the built-in ones, by name in capitals.
        gives: The types that the result may have.

    Raises:
        ExpressionError: the expression is not allowed, or not of a type that `gives` names.
    """
    try:
        tree = inlined(parse(text), lets or {}, scope)
        compiler = _Compiler(scope, lets or {}, {**FUNCTIONS, **(functions or {})})
        value = finite(compiler.value(tree))
        thresholds, compared_only = compared(tree, compiler.value)
        days = days_compared(tree, compiler.value)
    except RecursionError as error:
        raise ExpressionError("is nested too deeply", "name parts of it as derived values") from error
    if value.dtype not in gives:
        wanted = " or ".join(dict.fromkeys(describe(dtype) for dtype in gives))
        raise ExpressionError(f"is {'always ' if value.dtype == NULL else ''}{describe(value.dtype)}, not {wanted}")
    columns = frozenset(name_of(column) for column in tree.find_all(exp.Column))
    expr = pl.repeat(value.known, pl.len(), dtype=value.dtype) if value.constant else value.expr
    if not value.constant and not isinstance(tree, exp.Column):
        _try(expr, value.dtype, {name: scope[name] for name in columns})
    canonical = " ".join([shown(tree), *_meanings(tree, functions or {})])
    return Expression(text, canonical, expr, columns, value.dtype, value.nullable, thresholds, compared_only, days)


def _meanings(tree: exp.Expr, functions: Mapping[str, Function]) -> Iterator[str]:
    """Yield what functions that are not built in mean where they are called."""
    called = {call.name.upper() for call in tree.find_all(exp.Anonymous)}
    yield from (functions[name].meaning for name in sorted(called & functions.keys()))


class _Compiler:
    """Compiles a tree from its leaves, refusing whatever is not in the tables."""

    def __init__(
        self, scope: Mapping[str, ScopeColumn], lets: Mapping[str, str], functions: Mapping[str, Function]
    ) -> None:
        self._scope = scope
        self._lets = lets
        self._functions = functions

    def value(self, node: exp.Expr) -> Value:
        """Return the compiled node; without columns, what it comes to."""
        if isinstance(node, exp.Column):
            return self._column(node)
        value = self._call(node) if isinstance(node, exp.Anonymous) else self._meaning(node)
        return value if value.constant or value.expr.meta.root_names() else _folded(value)

    def _column(self, node: exp.Column) -> Value:
        name = name_of(node)
        if name not in self._scope:
            quoted = isinstance(node.this, exp.Identifier) and node.this.quoted
            hint = "text goes in single quotes" if quoted else near_miss(name, [*self._scope, *self._lets])
            raise ExpressionError(f"no `{name}` here", hint)
        column = self._scope[name]
        return Value(pl.col(in_frame(name)), column.dtype, column.nullable)

    def _call(self, node: exp.Anonymous) -> Value:
        name = node.name.upper()
        if name in FORMS:
            return FORMS[name](node, self.value)
        if name not in self._functions:
            known = [*self._functions, *FORMS]
            hint = near_miss(name, known, most=len(known))
            hint = "aggregates belong under `features`" if name in _AGGREGATES else hint
            hint = "the same signals must always give the same result" if name in _NOT_PURE else hint
            raise ExpressionError(f"no function `{node.name}`", hint)
        return self._functions[name](name, [self.value(argument) for argument in node.expressions])

    def _meaning(self, node: exp.Expr) -> Value:
        meaning, parts = MEANINGS.get(type(node), (None, ""))
        present = {key for key, part in node.args.items() if part not in (None, False, [])}
        if meaning is None or not present <= set(parts.split()):
            raise ExpressionError(f"`{shown(node)}` is not allowed in an expression")
        return meaning(node, self.value)


def _folded(value: Value) -> Value:
    """Return the value of an expression without columns as a constant."""
    known: Constant = pl.select(finite(value).expr).item()
    return replace(
        value, expr=pl.lit(known, dtype=value.dtype), nullable=known is None, finite=True, constant=True, known=known
    )


def _try(expr: pl.Expr, dtype: pl.DataType, scope: Mapping[str, ScopeColumn]) -> None:
    """Evaluate once on a row of values, a row of NULLs and no row at all."""
    samples = {INT: 1, DOUBLE: 1.0, TEXT: "a", BOOL: True}
    columns = {TICK: INT, **{in_frame(name): column.dtype for name, column in scope.items()}}
    frame = pl.DataFrame({name: [samples[dtype], None] for name, dtype in columns.items()}, schema=columns)
    try:
        full, empty = (part.select(expr.alias("value")) for part in (frame, frame.clear()))
    except PolarsError as error:
        raise ExpressionError(f"cannot be evaluated: {error}") from error
    if (full.dtypes, empty.dtypes, full.height, empty.height) != ([dtype], [dtype], 2, 0):
        raise AssertionError(f"compiled to {full.height} and {empty.height} rows of {full.dtypes[0]}, not {dtype}")
