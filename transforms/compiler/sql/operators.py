"""What the operators of expressions mean: arithmetic, comparisons, logic, CASE and CAST."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

import polars as pl
from sqlglot import exp

from transforms.compiler.sql.arithmetic import divide, exact, modulo, negative, whole_divide
from transforms.compiler.sql.comparisons import between, comparison, equal, is_, is_in, like, missing
from transforms.compiler.sql.operands import Meaning, Of, balanced, common_type, need, truth
from transforms.compiler.sql.parse import shown
from transforms.compiler.sql.values import (
    BOOL,
    DOUBLE,
    INT,
    NUMBERS,
    TEXT,
    ExpressionError,
    Value,
    cast,
    constant,
    finite,
)

CASTS: Final[Mapping[str, pl.DataType]] = {
    "BIGINT": INT,
    "DOUBLE": DOUBLE,
    "VARCHAR": TEXT,
    "TEXT": TEXT,
    "BOOLEAN": BOOL,
}

MOST_DIGITS = 400
"""Longer whole numbers are beyond doubles; Python refuses to read them."""


def alternatives(where: exp.Expr, branches: list[tuple[Value, Value]], default: Value) -> Value:
    """Return the value of the first branch whose condition is true; NULL is not."""
    values = [value for _, value in branches] + [default]
    dtype = common_type(values, where)
    chain: Any = pl
    for condition, value in branches:
        chain = chain.when(condition.expr).then(cast(value, dtype).expr)
    nullable = any(value.nullable for value in values)
    return Value(chain.otherwise(cast(default, dtype).expr), dtype, nullable, all(value.finite for value in values))


def _literal(node: exp.Literal, of: Of) -> Value:
    text = str(node.this)
    if node.is_string:
        return constant(text)
    number = int(text) if text.isdecimal() and len(text) < MOST_DIGITS else float(text)
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


def _and_or(meaning: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Meaning:
    def build(node: exp.Connector, of: Of) -> Value:
        parts = [truth(part, of) for part in node.flatten()]
        return Value(balanced(meaning, [part.expr for part in parts]), BOOL, any(part.nullable for part in parts))

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
    exp.EQ: (comparison(operator.eq), "this expression"),
    exp.NEQ: (comparison(operator.ne), "this expression"),
    exp.LT: (comparison(operator.lt, ordered=True), "this expression"),
    exp.LTE: (comparison(operator.le, ordered=True), "this expression"),
    exp.GT: (comparison(operator.gt, ordered=True), "this expression"),
    exp.GTE: (comparison(operator.ge, ordered=True), "this expression"),
    exp.NullSafeEQ: (missing(pl.Expr.eq_missing), "this expression"),
    exp.NullSafeNEQ: (missing(pl.Expr.ne_missing), "this expression"),
    exp.Is: (is_, "this expression"),
    exp.Between: (between, "this low high"),
    exp.In: (is_in, "this expressions"),
    exp.Like: (like("s"), "this expression negate"),
    exp.ILike: (like("is"), "this expression negate"),
    exp.And: (_and_or(operator.and_), "this expression"),
    exp.Or: (_and_or(operator.or_), "this expression"),
    exp.Not: (_not, "this"),
    exp.Case: (_case, "this ifs default"),
    exp.Cast: (_cast, "this to"),
    exp.TryCast: (_cast, "this to safe"),
    exp.DPipe: (_concatenated, "this expression safe"),
}
"""Kind of node to its meaning and the parts that it may have; whatever is not here is refused."""
