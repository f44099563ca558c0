"""How far two groups lie apart, in standard deviations, with 95 % intervals: polars expressions over sums and counts.

Both measures are read alike: 0.2 is small, 0.5 medium, 0.8 large (J. Cohen, Statistical Power Analysis for the
Behavioral Sciences, 2nd ed. 1988, sections 2.2 and 6.2). Where one cannot be computed it is NULL.
"""

from dataclasses import dataclass

import polars as pl

from transforms.arrays.exact_arithmetic import quotient

Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True)
class Group:
    """The columns of one group: how many there are, their mean (or share), and their standard deviation."""

    n: pl.Expr
    mean: pl.Expr
    sd: pl.Expr


def moments(n: pl.Expr, total: pl.Expr, squares: pl.Expr) -> Group:
    """Return the group with a count, a sum and a sum of squares; the deviation is that of a sample (n - 1)."""
    mean = quotient(total, n)
    variance = quotient(squares - total * mean, n - 1).clip(0)
    return Group(n, pl.when(n > 0).then(mean), pl.when(n > 1).then(variance.sqrt()))


def difference_of_means(one: Group, other: Group) -> tuple[pl.Expr, pl.Expr]:
    """Return Cohen's d with the pooled standard deviation, and its standard error.

    M. Borenstein et al., Introduction to Meta-Analysis, 2009, equations 4.18 to 4.21.
    """
    both = one.n + other.n
    squares = (one.n - 1) * one.sd * one.sd + (other.n - 1) * other.sd * other.sd
    d = quotient(one.mean - other.mean, quotient(squares, both - 2).sqrt())
    return d, (quotient(both, one.n * other.n) + quotient(d * d, 2 * both)).sqrt()


def difference_of_shares(one: Group, other: Group) -> tuple[pl.Expr, pl.Expr]:
    """Return Cohen's h, the difference of the arcsines, and its standard error; Cohen 1988, section 6.2."""
    h = 2 * (one.mean.sqrt().arcsin() - other.mean.sqrt().arcsin())
    return _finite(h), (quotient(pl.lit(1), one.n) + quotient(pl.lit(1), other.n)).sqrt()


def _finite(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_finite()).then(value)
