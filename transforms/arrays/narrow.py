"""Tables whose columns take as few bytes as hold their values, exactly.

Whole numbers, also where they are doubles or decimals, are steps above the least of them: panes of an hour that lie
within a week take a byte. Texts are numbers of a list of those that there are. What gets no smaller stays as it is.
"""

from typing import cast

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Ints

EXACT = 2**53
"""Doubles beyond may be no whole number of their own."""

SIZES = {pl.UInt8: 2**8 - 1, pl.UInt16: 2**16 - 1, pl.UInt32: 2**32 - 1}
"""By the greatest number that they hold."""


class NarrowTable:
    """A table, of which some rows at a time are asked for."""

    def __init__(self, table: pl.DataFrame) -> None:
        """Narrow a table.

        Args:
            table: Any; columns are given back in their types.
        """
        narrowed = [_narrowed(column) for column in table.iter_columns()]
        self._height = table.height  # a frame without columns has no rows
        self._table = pl.DataFrame([column for column, _ in narrowed])
        self._widen = [widen for _, widen in narrowed]

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self._height

    @property
    def size(self) -> int:
        """How many bytes its rows take."""
        return int(self._table.estimated_size())

    def rows(self, at: Ints, *others: pl.Series) -> pl.DataFrame:
        """Return some rows, and other columns of as many before them."""
        if not self._widen:
            return pl.DataFrame(others)
        return self._table[at].select(*map(pl.lit, others), *self._widen)


def _narrowed(column: pl.Series) -> tuple[pl.Series, pl.Expr]:
    """Return a column that takes less, and what makes the old one of it."""
    if column.dtype == pl.String:
        return _numbered(column)
    whole = _whole(column)
    if whole is None or not whole.count():
        return column, pl.col(column.name)
    least = cast(int, whole.min())
    steps = whole.fill_null(least).to_numpy() - least
    step = _step(steps)
    size = _size(int(steps.max()) // step)
    if size is None:
        return column, pl.col(column.name)
    narrow = pl.Series(column.name, steps // step, size)
    if column.null_count():
        narrow = pl.select(pl.when(pl.lit(column.is_not_null())).then(pl.lit(narrow)).alias(column.name)).to_series()
    return narrow, (pl.col(column.name).cast(pl.Int64) * step + least).cast(column.dtype)


def _whole(column: pl.Series) -> pl.Series | None:
    """Return a column as whole numbers of 64 bits, None where it is none, or may overflow while it is narrowed."""
    double = column.dtype == pl.Float64
    if not (double or column.dtype == pl.Int64 or column.dtype.is_decimal()):
        return None
    whole = column.cast(pl.Int64, strict=False)
    same = whole.null_count() == column.null_count() and (whole.cast(column.dtype) == column).all()
    below_zero = double and np.signbit(column.filter(column == 0).to_numpy()).any()
    return whole if same and not below_zero and whole.is_between(-EXACT, EXACT).all() else None


def _step(steps: Ints) -> int:
    """Return a number of which all are multiples."""
    step = int(np.gcd.reduce(steps[:: max(len(steps) // 1_000, 1)]))
    return step if step > 1 and not (steps % step).any() else 1


def _size(greatest: int) -> type[pl.DataType] | None:
    return next((size for size, most in SIZES.items() if greatest <= most), None)


def _numbered(column: pl.Series) -> tuple[pl.Series, pl.Expr]:
    known = column.drop_nulls().unique(maintain_order=True)
    size = _size(len(known))
    if size is None or 2 * len(known) > len(column):
        return column, pl.col(column.name)
    numbers = column.replace_strict(known, pl.Series(range(len(known)), dtype=size), default=None, return_dtype=size)
    return numbers, pl.lit(known).gather(pl.col(column.name)).alias(column.name)
