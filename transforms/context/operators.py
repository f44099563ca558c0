"""What the operators of expressions mean: arithmetic, comparisons, logic, CASE and CAST."""

import operator
import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final

import polars as pl
from sqlglot import exp

from transforms.context.arithmetic import divide, exact, modulo, negative, whole_divide
from transforms.context.sql import shown
from transforms.context.values import (
    BOOL,
    DOUBLE,
    INT,
    NULL,
    NUMBERS,
    TEXT,
    ExpressionError,
    Value,
    cast,
    common_type,
    constant,
    describe,
    finite,
)

Of = Callable[[exp.Expr], Value]
"""Compiles a child."""
Meaning = Callable[[Any, Of], Value]

CASTS: Final[Mapping[str, pl.DataType]] = {
    "BIGINT": INT,
    "DOUBLE": DOUBLE,
    "VARCHAR": TEXT,
    "TEXT": TEXT,
    "BOOLEAN": BOOL,
}


def need(node: exp.Expr, value: Value, dtypes: tuple[pl.DataType, ...], wanted: str) -> Value:
    """Return the value of `node` if it has one of the types, else refuse it."""
    if value.dtype in dtypes:
        return value
    hint = "ask with IS NULL" if value.dtype == NULL else ""
    raise ExpressionError(f"`{shown(node)}` is {describe(value.dtype)}; {wanted} is needed", hint)


def truth(node: exp.Expr, of: Of) -> Value:
    """Return the truth value of `node`."""
    return need(node, of(node), (BOOL,), "a truth value")


def alternatives(where: exp.Expr, branches: list[tuple[Value, Value]], default: Value) -> Value:
    """Return the value of the first branch whose condition is true; NULL is not."""
    values = [value for _, value in branches] + [default]
    dtype = common_type(values, shown(where))
    chain: Any = pl
    for condition, value in branches:
        chain = chain.when(condition.expr).then(cast(value, dtype).expr)
    nullable = any(value.nullable for value in values)
    return Value(chain.otherwise(cast(default, dtype).expr), dtype, nullable, all(value.finite for value in values))


def equal(where: exp.Expr, left: Value, right: Value) -> pl.Expr:
    """Return whether two values are equal, NULL where one is NULL."""
    left, right = _comparable(where, left, right)
    return left.expr == right.expr


def _comparable(where: exp.Expr, left: Value, right: Value) -> tuple[Value, Value]:
    if NULL in (left.dtype, right.dtype):
        raise ExpressionError(f"`{shown(where)}` is never true", "use IS NULL or IS NOT NULL")
    common_type([left, right], shown(where))
    return finite(left), finite(right)


def _literal(node: exp.Literal, of: Of) -> Value:
    text = str(node.this)
    if node.is_string:
        return constant(text)
    number = int(text) if text.isdecimal() else float(text)
    if number >= 2**63 if isinstance(number, int) else number == float("inf"):
        raise ExpressionError(f"`{text[:30]}` is too large a number")
    return constant(number)


def _numbers(meaning: Callable[[Value, Value], Value]) -> Meaning:
    def build(node: exp.Binary, of: Of) -> Value:
        left, right = (need(side, of(side), NUMBERS, "a number") for side in (node.this, node.expression))
        try:
            return meaning(left, right)
        except ZeroDivisionError as error:
            raise ExpressionError(f"`{shown(node)}` divides by zero") from error

    return build


def _comparison(meaning: Callable[[pl.Expr, pl.Expr], pl.Expr], *, ordered: bool = False) -> Meaning:
    def build(node: exp.Binary, of: Of) -> Value:
        left, right = _comparable(node, of(node.this), of(node.expression))
        if ordered and left.dtype == BOOL:
            raise ExpressionError(f"`{shown(node)}` puts truth values in an order", "combine them with AND, OR, NOT")
        return Value(meaning(left.expr, right.expr), BOOL, left.nullable or right.nullable)

    return build


def _missing(meaning: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Meaning:
    def build(node: exp.Binary, of: Of) -> Value:
        left, right = finite(of(node.this)), finite(of(node.expression))
        common_type([left, right], shown(node))
        return Value(meaning(left.expr, right.expr), BOOL, nullable=False)

    return build


def _is(node: exp.Is, of: Of) -> Value:
    if isinstance(node.expression, exp.Null):
        return Value(finite(of(node.this)).expr.is_null(), BOOL, nullable=False)
    wanted = need(node.expression, of(node.expression), (BOOL,), "TRUE, FALSE or NULL")
    return Value(truth(node.this, of).expr.eq_missing(wanted.expr), BOOL, nullable=False)


def _between(node: exp.Between, of: Of) -> Value:
    value, low = _comparable(node, of(node.this), of(node.args["low"]))
    _, high = _comparable(node, value, of(node.args["high"]))
    if value.dtype == BOOL:
        raise ExpressionError(f"`{shown(node)}` puts truth values in an order", "combine them with AND, OR, NOT")
    nullable = value.nullable or low.nullable or high.nullable
    return Value((value.expr >= low.expr) & (value.expr <= high.expr), BOOL, nullable)


def _in(node: exp.In, of: Of) -> Value:
    value, options = of(node.this), [of(option) for option in node.expressions]
    if not options:
        raise ExpressionError(f"`{shown(node)}` has no values to be in", "list some, as `IN ('a', 'b')`")
    matches = [equal(node, value, option) for option in options]
    nullable = value.nullable or any(option.nullable for option in options)
    if any(option.known is None for option in options):
        return Value(reduce(operator.or_, matches), BOOL, nullable)
    dtype = common_type([value, *options], shown(node))
    known = pl.Series([option.known for option in options], dtype=dtype, strict=False).to_list()
    return Value(cast(finite(value), dtype).expr.is_in(known), BOOL, nullable)


def _like(flags: str) -> Meaning:
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


def _and_or(meaning: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Meaning:
    def build(node: exp.Connector, of: Of) -> Value:
        parts = [truth(part, of) for part in node.flatten()]
        return Value(reduce(meaning, [part.expr for part in parts]), BOOL, any(part.nullable for part in parts))

    return build


def _not(node: exp.Not, of: Of) -> Value:
    value = truth(node.this, of)
    return Value(~value.expr, BOOL, value.nullable)


def _case(node: exp.Case, of: Of) -> Value:
    subject = of(node.this) if node.this is not None else None
    branches = []
    for branch in node.args["ifs"]:
        if subject is None:
            condition = truth(branch.this, of)
        else:
            condition = Value(equal(node, subject, of(branch.this)), BOOL, nullable=True)
        branches.append((condition, of(branch.args["true"])))
    default = node.args.get("default")
    return alternatives(node, branches, constant(None) if default is None else of(default))


def _cast(node: exp.Cast, of: Of) -> Value:
    value, name = finite(of(node.this)), shown(node.to)
    dtype = CASTS.get(name)
    if dtype is None:
        raise ExpressionError(f"`{shown(node)}`: there is no type `{name}`", f"use {', '.join(CASTS)}")
    if dtype == BOOL and value.dtype == TEXT:
        raise ExpressionError(f"`{shown(node)}` makes a truth value of text", "compare it, as `x = 'yes'`")
    if dtype == BOOL and value.dtype in NUMBERS:
        return Value(value.expr != 0, BOOL, value.nullable)
    partial = value.dtype == TEXT or (value.dtype, dtype) == (DOUBLE, INT)
    return Value(
        value.expr.cast(dtype, strict=False),
        dtype,
        value.nullable or partial,
        finite=value.dtype != TEXT or dtype != DOUBLE,
    )


def _concatenated(node: exp.DPipe, of: Of) -> Value:
    left, right = (need(side, of(side), (TEXT,), "text") for side in (node.this, node.expression))
    return Value(left.expr + right.expr, TEXT, left.nullable or right.nullable)


MEANINGS: Final[Mapping[type[exp.Expr], tuple[Meaning, str]]] = {
    exp.Literal: (_literal, "this is_string"),
    exp.Boolean: (lambda node, of: constant(bool(node.this)), "this"),
    exp.Null: (lambda node, of: constant(None), ""),
    exp.Paren: (lambda node, of: of(node.this), "this"),
    exp.Add: (_numbers(exact(operator.add)), "this expression"),
    exp.Sub: (_numbers(exact(operator.sub)), "this expression"),
    exp.Mul: (_numbers(exact(operator.mul)), "this expression"),
    exp.Div: (_numbers(divide), "this expression typed safe"),
    exp.IntDiv: (_numbers(whole_divide), "this expression"),
    exp.Mod: (_numbers(modulo), "this expression"),
    exp.Neg: (lambda node, of: negative(need(node.this, of(node.this), NUMBERS, "a number")), "this"),
    exp.EQ: (_comparison(operator.eq), "this expression"),
    exp.NEQ: (_comparison(operator.ne), "this expression"),
    exp.LT: (_comparison(operator.lt, ordered=True), "this expression"),
    exp.LTE: (_comparison(operator.le, ordered=True), "this expression"),
    exp.GT: (_comparison(operator.gt, ordered=True), "this expression"),
    exp.GTE: (_comparison(operator.ge, ordered=True), "this expression"),
    exp.NullSafeEQ: (_missing(pl.Expr.eq_missing), "this expression"),
    exp.NullSafeNEQ: (_missing(pl.Expr.ne_missing), "this expression"),
    exp.Is: (_is, "this expression"),
    exp.Between: (_between, "this low high"),
    exp.In: (_in, "this expressions"),
    exp.Like: (_like("s"), "this expression negate"),
    exp.ILike: (_like("is"), "this expression negate"),
    exp.And: (_and_or(operator.and_), "this expression"),
    exp.Or: (_and_or(operator.or_), "this expression"),
    exp.Not: (_not, "this"),
    exp.Case: (_case, "this ifs default"),
    exp.Cast: (_cast, "this to"),
    exp.TryCast: (_cast, "this to safe"),
    exp.DPipe: (_concatenated, "this expression safe"),
}
"""Kind of node to its meaning and the parts that it may have; whatever is not here is refused."""
