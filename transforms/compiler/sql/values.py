"""Typed values of expressions: what a sub-expression is while it is compiled."""

from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from transforms.arrays.exact_arithmetic import where_finite

INT: Final = pl.Int64()
DOUBLE: Final = pl.Float64()
TEXT: Final = pl.String()
BOOL: Final = pl.Boolean()
NULL: Final = pl.Null()

NUMBERS: Final = (INT, DOUBLE)
TYPES: Final = (*NUMBERS, TEXT, BOOL)

Constant = bool | int | float | str | None


class ExpressionError(ValueError):
    """A mistake in an expression: what is wrong, and what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep both parts for the report."""
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message and the hint."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


@dataclass(frozen=True)
class Value:
    """A compiled sub-expression.

    Attributes:
        expr: What polars evaluates.
        dtype: One of `TYPES`, or `NULL` for a bare NULL.
        nullable: Whether it can be NULL although nothing overflows.
        finite: False where it may be infinite or NaN; `finite` makes that NULL.
        constant: Whether it is the same for all rows.
        known: The value of a constant.
    """

    expr: pl.Expr
    dtype: pl.DataType
    nullable: bool
    finite: bool = True
    constant: bool = False
    known: Constant = None


def constant(value: Constant) -> Value:
    """Return a value that is the same for all rows."""
    kinds: dict[type, pl.DataType] = {bool: BOOL, int: INT, float: DOUBLE, str: TEXT, type(None): NULL}
    dtype = kinds[type(value)]
    return Value(pl.lit(value, dtype=dtype), dtype, value is None, constant=True, known=value)


def finite(value: Value) -> Value:
    """Return the value with NULL for infinities and NaN."""
    if value.finite:
        return value
    return replace(value, expr=where_finite(value.expr), finite=True)


def cast(value: Value, dtype: pl.DataType) -> Value:
    """Return the value in a type that holds all of its type's values."""
    return value if value.dtype == dtype else replace(value, expr=value.expr.cast(dtype), dtype=dtype)


def describe(dtype: pl.DataType) -> str:
    """Return what people call a type."""
    names = {INT: "a whole number", DOUBLE: "a number", TEXT: "text", BOOL: "a truth value", NULL: "NULL"}
    return names.get(dtype, str(dtype))
