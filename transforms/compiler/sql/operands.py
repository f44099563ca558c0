"""Operands of expressions: what compiles them, and the types they must have."""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
from sqlglot import exp

from transforms.compiler.sql.parse import shown
from transforms.compiler.sql.values import BOOL, DOUBLE, NULL, NUMBERS, ExpressionError, Value, describe

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


def common_type(values: list[Value], where: exp.Expr) -> pl.DataType:
    """Return the one type of all values: numbers mix, NULL goes with everything.

    Raises:
        ExpressionError: they do not go together.
    """
    found = {value.dtype for value in values} - {NULL}
    if found == set(NUMBERS):
        return DOUBLE
    if len(found) > 1:
        types = " and ".join(sorted(describe(dtype) for dtype in found))
        raise ExpressionError(f"`{shown(where)}` mixes {types}", "make them one type, with CAST")
    return found.pop() if found else NULL


def balanced(meaning: Callable[[pl.Expr, pl.Expr], pl.Expr], parts: Sequence[pl.Expr]) -> pl.Expr:
    """Combine parts in their order, as a tree that is no deeper than it must be: polars walks trees by recursion."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return meaning(balanced(meaning, parts[:middle]), balanced(meaning, parts[middle:]))
