"""Operands of expressions: what compiles them, and the types they must have."""

from collections.abc import Callable
from typing import Any

import polars as pl
from sqlglot import exp

from transforms.context.plan.sql.parse import shown
from transforms.context.plan.sql.values import BOOL, NULL, ExpressionError, Value, describe

Of = Callable[[exp.Expr], Value]
"""Compiles a part of an expression."""
Meaning = Callable[[Any, Of], Value]
"""Compiles a node, given what compiles its parts."""


def need(node: exp.Expr, value: Value, dtypes: tuple[pl.DataType, ...], wanted: str) -> Value:
    """Return the value of `node` if it has one of the types, else refuse it."""
    if value.dtype in dtypes:
        return value
    hint = "ask with IS NULL" if value.dtype == NULL else ""
    raise ExpressionError(f"`{shown(node)}` is {describe(value.dtype)}; {wanted} is needed", hint)


def truth(node: exp.Expr, of: Of) -> Value:
    """Return the truth value of `node`."""
    return need(node, of(node), (BOOL,), "a truth value")
