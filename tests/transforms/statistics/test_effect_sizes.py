"""The arithmetic of effects."""

import polars as pl
import pytest

from transforms.statistics.effect_sizes import Group, difference_of_means, difference_of_shares, moments


def test_effects_of_known_groups() -> None:
    """Borenstein et al. 2009, the worked example of chapter 4: means 103 and 100, deviations 5.5 and 4.5, 50 each."""
    one, other = (Group(*map(pl.lit, group)) for group in ((50, 103.0, 5.5), (50, 100.0, 4.5)))
    d, error = pl.select(*(x.alias(n) for x, n in zip(difference_of_means(one, other), "de", strict=True))).row(0)
    assert (round(d, 4), round(error**2, 4)) == (0.5970, 0.0418)


def test_shares_of_nothing_and_all() -> None:
    one, other = (Group(pl.lit(10), pl.lit(share), pl.lit(None)) for share in (1.0, 0.0))
    h, _ = difference_of_shares(one, other)
    assert pl.select(h).item() == pytest.approx(3.141593, abs=1e-6)


def test_a_group_of_one_has_no_deviation() -> None:
    group = moments(pl.lit(1), pl.lit(5.0), pl.lit(25.0))
    assert pl.select(mean=group.mean, sd=group.sd).row(0) == (5.0, None)
