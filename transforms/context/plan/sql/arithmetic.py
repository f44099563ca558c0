"""Arithmetic of expressions: exact for whole numbers, never wrapping round, NULL where there is no result."""

import operator
from collections.abc import Callable

import polars as pl

from transforms.context.plan.sql.values import DOUBLE, INT, Value, cast, constant, finite

Operation = Callable[[pl.Expr, pl.Expr], pl.Expr]

_LEAST, _GREATEST = -(2**63), 2**63 - 1
_WIDE = pl.Int128()


def exact(operation: Operation) -> Callable[[Value, Value], Value]:
    """Return addition, subtraction or multiplication: whole numbers that leave Int64 become NULL."""

    def apply(left: Value, right: Value) -> Value:
        nullable = left.nullable or right.nullable
        if DOUBLE in (left.dtype, right.dtype):
            return Value(operation(left.expr, right.expr), DOUBLE, nullable, finite=False)
        if isinstance(right.known, int):
            fits = _within(left, *_room(operation, right.known))
            return Value(pl.when(fits).then(operation(left.expr, right.expr)), INT, nullable)
        if isinstance(left.known, int):
            fits = _within(right, *_room_right(operation, left.known))
            return Value(pl.when(fits).then(operation(left.expr, right.expr)), INT, nullable)
        return Value(_wide(operation, left, right), INT, nullable)

    return apply


def negative(value: Value) -> Value:
    """Return 0 - value."""
    return exact(operator.sub)(constant(0), value)


def divide(left: Value, right: Value) -> Value:
    """Return left / right as a double, NULL where right is 0.

    Raises:
        ZeroDivisionError: right is the constant 0.
    """
    whole = left.dtype == right.dtype == INT  # cannot become infinite
    divisor = _divisor(cast(finite(right), DOUBLE))
    return Value(cast(left, DOUBLE).expr / divisor, DOUBLE, left.nullable or right.known is None, finite=whole)


def whole_divide(left: Value, right: Value) -> Value:
    """Return the greatest whole number not above left / right, NULL where right is 0.

    Raises:
        ZeroDivisionError: right is the constant 0.
    """
    nullable = left.nullable or right.known is None
    if left.dtype == right.dtype == INT:
        _divisor(right)
        return Value(_wide(operator.floordiv, left, right), INT, nullable)
    quotient = divide(left, right)
    return Value(quotient.expr.floor(), DOUBLE, nullable, finite=False)


def modulo(left: Value, right: Value) -> Value:
    """Return left - right * (left // right), with the sign of right; NULL where right is 0.

    Raises:
        ZeroDivisionError: right is the constant 0.
    """
    dtype = INT if left.dtype == right.dtype == INT else DOUBLE
    divisor = _divisor(cast(finite(right), dtype))
    remainder = cast(finite(left), dtype).expr % divisor
    return Value(remainder, dtype, left.nullable or right.known is None, finite=dtype == INT)


def _divisor(value: Value) -> pl.Expr:
    """Return the divisor with NULL for 0."""
    if value.constant and value.known == 0:
        raise ZeroDivisionError
    return value.expr if value.constant else pl.when(value.expr != 0).then(value.expr)


def _wide(operation: Operation, left: Value, right: Value) -> pl.Expr:
    return operation(left.expr.cast(_WIDE), right.expr.cast(_WIDE)).cast(INT, strict=False)


def _within(value: Value, low: int, high: int) -> pl.Expr:
    """Return where a result fits, for it is several times faster in Int64 than wide."""
    return value.expr.is_between(max(low, _LEAST), min(high, _GREATEST))


def _room(operation: Operation, known: int) -> tuple[int, int]:
    """Return the least and greatest x for which `x operation known` fits."""
    if operation is operator.sub:
        return _LEAST + known, _GREATEST + known
    return _room_right(operation, known)


def _room_right(operation: Operation, known: int) -> tuple[int, int]:
    """Return the least and greatest x for which `known operation x` fits."""
    if operation is operator.add:
        return _LEAST - known, _GREATEST - known
    if operation is operator.sub:
        return known - _GREATEST, known - _LEAST
    if known == 0:
        return _LEAST, _GREATEST
    low, high = (_LEAST, _GREATEST) if known > 0 else (_GREATEST, _LEAST)
    return -(low // -known), high // known
