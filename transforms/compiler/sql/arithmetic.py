"""Arithmetic of expressions: exact for whole numbers, never wrapping round, NULL where there is no result."""

import operator
from collections.abc import Callable

import polars as pl

from transforms.arrays.exact_arithmetic import floor_quotient, quotient, remainder
from transforms.compiler.sql.values import DOUBLE, INT, Value, constant, finite

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
    return _of_doubles(quotient, left, right)


def whole_divide(left: Value, right: Value) -> Value:
    """Return left / right rounded down, NULL where right is 0.

    Raises:
        ZeroDivisionError: right is the constant 0.
    """
    if DOUBLE in (left.dtype, right.dtype):
        return _of_doubles(floor_quotient, left, right)
    _refuse_zero(right)
    return Value(_wide(operator.floordiv, left, right), INT, left.nullable or right.known is None)


def modulo(left: Value, right: Value) -> Value:
    """Return left - right * (left // right), each step rounded, with the sign of right; NULL where right is 0.

    Raises:
        ZeroDivisionError: right is the constant 0.
    """
    if DOUBLE in (left.dtype, right.dtype):
        return _of_doubles(remainder, left, right)
    _refuse_zero(right)
    divisor = right.expr if right.constant else pl.when(right.expr != 0).then(right.expr)
    return Value(left.expr % divisor, INT, left.nullable or right.known is None)


def _of_doubles(operation: Operation, left: Value, right: Value) -> Value:
    """Apply a division of doubles."""
    _refuse_zero(right)
    return Value(operation(left.expr, finite(right).expr), DOUBLE, left.nullable or right.known is None)


def _refuse_zero(divisor: Value) -> None:
    if divisor.constant and divisor.known == 0:
        raise ZeroDivisionError


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
