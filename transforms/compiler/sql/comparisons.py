"""What the comparisons of expressions mean: order, equality, NULL, IN, BETWEEN and LIKE."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Final

import polars as pl
from sqlglot import exp

from transforms.compiler.sql.operands import Meaning, Of, balanced, common_type, need, truth
from transforms.compiler.sql.parse import shown
from transforms.compiler.sql.values import BOOL, NULL, TEXT, ExpressionError, Value, cast, finite

Comparison = Callable[[pl.Expr, pl.Expr], pl.Expr]

_MIRRORED: Final[Mapping[Comparison, Comparison]] = {
    operator.eq: operator.eq,
    operator.ne: operator.ne,
    operator.lt: operator.gt,
    operator.le: operator.ge,
    operator.gt: operator.lt,
    operator.ge: operator.le,
    pl.Expr.eq_missing: pl.Expr.eq_missing,
    pl.Expr.ne_missing: pl.Expr.ne_missing,
}


def equal(where: exp.Expr, left: Value, right: Value) -> pl.Expr:
    """Return whether two values are equal, NULL where one is NULL."""
    return _ordered(operator.eq, *_comparable(where, left, right))


def comparison(meaning: Comparison, *, ordered: bool = False) -> Meaning:
    """NULL where an operand is; an order is only for numbers and texts."""

    def build(node: exp.Binary, of: Of) -> Value:
        left, right = _comparable(node, of(node.this), of(node.expression))
        if ordered and left.dtype == BOOL:
            raise ExpressionError(f"`{shown(node)}` puts truth values in an order", "combine them with AND, OR, NOT")
        return Value(_ordered(meaning, left, right), BOOL, left.nullable or right.nullable)

    return build


def missing(meaning: Comparison) -> Meaning:
    """NULL is a value like any other: IS [NOT] DISTINCT FROM."""

    def build(node: exp.Binary, of: Of) -> Value:
        left, right = finite(of(node.this)), finite(of(node.expression))
        common_type([left, right], node)
        return Value(_ordered(meaning, left, right), BOOL, nullable=False)

    return build


def is_(node: exp.Is, of: Of) -> Value:
    """IS NULL, IS TRUE, IS FALSE; never NULL."""
    if isinstance(node.expression, exp.Null):
        return Value(finite(of(node.this)).expr.is_null(), BOOL, nullable=False)
    wanted = need(node.expression, of(node.expression), (BOOL,), "TRUE, FALSE or NULL")
    return Value(truth(node.this, of).expr.eq_missing(wanted.expr), BOOL, nullable=False)


def between(node: exp.Between, of: Of) -> Value:
    """Both ends belong to it."""
    value, low = _comparable(node, of(node.this), of(node.args["low"]))
    _, high = _comparable(node, value, of(node.args["high"]))
    if value.dtype == BOOL:
        raise ExpressionError(f"`{shown(node)}` puts truth values in an order", "combine them with AND, OR, NOT")
    nullable = value.nullable or low.nullable or high.nullable
    if value.constant:
        return Value(_ordered(operator.ge, value, low) & _ordered(operator.le, value, high), BOOL, nullable)
    return Value(value.expr.is_between(low.expr, high.expr), BOOL, nullable)


def is_in(node: exp.In, of: Of) -> Value:
    """TRUE where one of the list is equal, else NULL where one of them might be."""
    value, options = of(node.this), [of(option) for option in node.expressions]
    if not options:
        raise ExpressionError(f"`{shown(node)}` has no values to be in", "list some, as `IN ('a', 'b')`")
    if any(option.dtype == NULL for option in options):
        raise ExpressionError(
            f"`{shown(node)}` lists NULL, which is equal to nothing", "leave it out, or add `IS NULL`"
        )
    options = [_comparable(node, value, option)[1] for option in options]
    dtype = common_type([value, *options], node)
    nullable = value.nullable or any(option.nullable for option in options)
    if any(option.known is None for option in options):
        matches = [equal(node, cast(value, dtype), cast(option, dtype)) for option in options]
        return Value(balanced(operator.or_, matches), BOOL, nullable)
    known = pl.Series([option.known for option in options], dtype=dtype, strict=False).to_list()
    return Value(cast(finite(value), dtype).expr.is_in(known), BOOL, nullable)


def like(flags: str) -> Meaning:
    """Match a whole text: `%` is anything, `_` one character, everything else itself."""

    def build(node: exp.Like | exp.ILike, of: Of) -> Value:
        text, pattern = need(node.this, of(node.this), (TEXT,), "text"), of(node.expression).known
        if not isinstance(pattern, str):
            raise ExpressionError(f"`{shown(node)}` needs a text literal as its pattern")
        parts = [{"%": ".*", "_": "."}.get(part, re.escape(part)) for part in re.split("([%_])", pattern)]
        whole = f"^{''.join(parts)}$".removesuffix(".*$").removeprefix("^.*")  # search no further than needed
        found = text.expr.str.contains(f"(?{flags}){whole}")
        return Value(~found if node.args.get("negate") else found, BOOL, text.nullable)

    return build


def _ordered(meaning: Comparison, left: Value, right: Value) -> pl.Expr:
    """Compare with a constant on the right: on the left, polars may give one row for all."""
    if left.constant:
        return _MIRRORED[meaning](right.expr, left.expr)
    return meaning(left.expr, right.expr)


def _comparable(where: exp.Expr, left: Value, right: Value) -> tuple[Value, Value]:
    if NULL in (left.dtype, right.dtype):
        raise ExpressionError(f"`{shown(where)}` is never true", "use IS NULL or IS NOT NULL")
    common_type([left, right], where)
    return finite(left), finite(right)
