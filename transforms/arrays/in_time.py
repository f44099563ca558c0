"""Rows that hold from a tick on, asked as of ticks."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Ints
from transforms.arrays.plain_arrow import as_written

FOREVER = int(np.iinfo(np.int64).max)
"""Later than all ticks."""


def as_of(
    asked: pl.DataFrame, known: pl.DataFrame, by: Sequence[str], names: Sequence[str] | None = None
) -> pl.DataFrame:
    """Return the latest known row up to each tick asked, NULL where there is none; in the order of what is asked.

    Args:
        asked: Columns tick and those of `by`.
        known: Columns since, those of `by`, and those that are returned.
        by: What has to be equal.
        names: What is returned; None: all other columns.
    """
    wanted = [name for name in known.columns if name not in (*by, "since")] if names is None else [*names]
    if known.is_empty():
        return known.select(wanted).clear(len(asked))
    return as_written(_beside(asked, known, by, "backward").select(wanted))


def first_after(asked: pl.DataFrame, known: pl.DataFrame, by: Sequence[str]) -> Ints:
    """Return the first `since` of known rows after the tick asked, FOREVER where there is none.

    Args:
        asked: Columns tick and those of `by`.
        known: Columns since and those of `by`.
        by: What has to be equal.
    """
    if known.is_empty():
        return np.full(len(asked), FOREVER)
    since = _beside(asked, known.select(*by, "since"), by, "forward").select(pl.col("since").fill_null(FOREVER))
    return as_written(since)["since"].to_numpy()


def _beside(
    asked: pl.DataFrame, known: pl.DataFrame, by: Sequence[str], strategy: Literal["backward", "forward"]
) -> pl.LazyFrame:
    """Return known rows beside the ticks asked, in the order of these; a later one is after the tick, not at it."""
    at, is_ordered = asked.lazy().select(*by, "tick"), asked["tick"].is_sorted()
    found = (at if is_ordered else at.with_row_index("row").sort("tick")).join_asof(
        known.lazy() if known["since"].is_sorted() else known.lazy().sort("since"),
        left_on="tick",
        right_on="since",
        by=[*by],
        strategy=strategy,
        allow_exact_matches=strategy == "backward",
        check_sortedness=False,
    )
    return found if is_ordered else found.sort("row")
