"""Arithmetic with doubles that gives a row the same alone as beside others, to the last digit.

polars divides by a value that all rows share as it multiplies by its reciprocal, raises to a shared power by
multiplying, and takes decimal logarithms as quotients; whether rows share a value depends on the other rows.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]
Operation = Callable[..., Doubles]

_WHOLE = 2**53
"""Up to here every whole number is a double."""


@dataclass(frozen=True)
class Rowwise:
    """An operation on numpy columns as one on expressions of numbers, which can be pickled.

    The result is NULL where an operand is, and where it would be infinite or NaN.

    Attributes:
        operation: A function of a module: columns, or one value for all rows, to a column of doubles of its own.
    """

    operation: Operation

    def __call__(self, *operands: pl.Expr) -> pl.Expr:
        """Return the operation on expressions of numbers."""
        return pl.map_batches(operands, self.evaluate, return_dtype=pl.Float64(), is_elementwise=True)

    def evaluate(self, columns: Sequence[pl.Series]) -> pl.Series:
        """Return the operation on columns of numbers."""
        with np.errstate(all="ignore"):
            found = self.operation(*(column.to_numpy() for column in columns))
        known = np.isfinite(found)
        if known.all():
            return pl.Series(found)
        found[~known] = np.nan
        return pl.Series(found, nan_to_null=True)


def _floor_quotient(left: Doubles, right: Doubles) -> Doubles:
    return np.floor(left / right)


def _remainder(left: Doubles, right: Doubles) -> Doubles:
    found = np.floor(np.true_divide(left, right))
    found *= right
    return np.subtract(left, found, out=found)


def _power(base: Doubles, exponent: Doubles) -> Doubles:
    """Return powers by one function of the C library: `np.power` multiplies where all exponents are the same."""
    return np.where(np.isnan(base + exponent), np.nan, np.float_power(base, exponent))


def _log2(numbers: Doubles) -> Doubles:
    return np.log2(numbers, dtype=np.longdouble).astype(np.float64)  # for doubles, numpy's depend on the processor


def _log10(numbers: Doubles) -> Doubles:
    return np.log10(numbers, dtype=np.longdouble).astype(np.float64)


def _copy(numbers: Doubles) -> Doubles:
    return np.array(numbers, np.float64)


where_finite = Rowwise(_copy)
"""The number itself. Expressions nest it: one that named its operand twice would grow with every level."""

quotient = Rowwise(np.true_divide)
"""left / right, the double nearest to it."""

floor_quotient = Rowwise(_floor_quotient)
"""The greatest whole number not above left / right."""

remainder = Rowwise(_remainder)
"""left - right * floor(left / right), each step rounded to a double; it has the sign of right."""

power = Rowwise(_power)
"""base to the power exponent."""

log2 = Rowwise(_log2)
"""Logarithm to base 2; of powers of 2 it is whole."""

log10 = Rowwise(_log10)
"""Logarithm to base 10; of powers of 10 it is whole."""


def unscaled(numbers: Ints, scale: int, counts: Ints | int = 1) -> Doubles:
    """Return numbers / (counts * 10**scale), each the double nearest to it; NaN where the count is 0.

    Numbers beyond 64 bits come as Python's own.
    """
    unit = 10**scale
    divisors = np.multiply(counts, float(unit))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.true_divide(numbers.astype(np.float64), divisors)
    wide = ((numbers > _WHOLE) | (numbers < -_WHOLE)).astype(bool) | (divisors > _WHOLE)
    for row in np.flatnonzero(wide & (divisors > 0)):
        found[row] = int(numbers[row]) / (int(np.broadcast_to(counts, found.shape)[row]) * unit)
    return np.where(divisors > 0, found, np.nan)


def sums(groups: Ints, values: Doubles, size: int) -> Doubles:
    """Return the sum of the values of each group `[0, size)`, the double nearest to it in any order; 0 for none."""
    found = cast(Doubles, np.bincount(groups, values, size))  # of two it is that already
    many = np.bincount(groups, minlength=size) > 2
    mine = np.flatnonzero(many[groups])
    order = mine[np.argsort(groups[mine], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    numbers = values[order].tolist()
    for first, last in pairwise([*starts, len(numbers)]):
        found[groups[order[first]]] = _sum(numbers[first:last])
    return found


def _sum(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:  # perhaps on the way only
        return math.fsum(math.ldexp(value, -64) for value in values) * 2.0**64
