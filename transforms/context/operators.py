"""The kinds of SQL nodes that expressions may hold, other than columns and functions, and what they mean."""

import operator
import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Final

import polars as pl
from sqlglot import exp

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

Of = Callable[[exp.Expression], Value]
Build = Callable[[exp.Expression, Of], Value]

_LEAST, _GREATEST = -(2**63), 2**63 - 1
_WIDE = pl.Int128()


def _need(node: exp.Expression, value: Value, dtypes: tuple[pl.DataType, ...], wanted: str) -> Value:
    if value.dtype in dtypes:
        return value
    hint = "ask with IS NULL" if value.dtype == NULL else ""
    raise ExpressionError(f"`{shown(node)}` is {describe(value.dtype)}; {wanted} is needed", hint)


def _number(node: exp.Expression, of: Of) -> Value:
    return _need(node, of(node), NUMBERS, "a number")


def _truth(node: exp.Expression, of: Of) -> Value:
    return _need(node, of(node), (BOOL,), "a truth value")


def _literal(node: exp.Expression, of: Of) -> Value:
    text = node.name
    if node.args["is_string"]:
        return constant(text)
    number = int(text) if text.isdecimal() else float(text)
    if isinstance(number, int) and number > _GREATEST or number == float("inf"):
        raise ExpressionError(f"`{text[:30]}` is too large a number")
    return constant(number)


def _arithmetic(operation: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Build:
    """Add, subtract or multiply: exact for whole numbers, NULL where the result does not fit."""

    def build(node: exp.Expression, of: Of) -> Value:
        left, right = _number(node.this, of), _number(node.expression, of)
        nullable = left.nullable or right.nullable
        if DOUBLE in (left.dtype, right.dtype):
            return Value(operation(left.expr, right.expr), DOUBLE, nullable, finite=False)
        wide = operation(left.expr.cast(_WIDE), right.expr.cast(_WIDE)).cast(INT, strict=False)
        return Value(_narrow(node, left, right) if left.constant or right.constant else wide, INT, nullable)

    return build
