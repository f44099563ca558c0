"""Rows that hold from a tick on, asked as of ticks."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Ints

FOREVER = int(np.iinfo(np.int64).max)
"""Later than all ticks."""


def as_of(asked: pl.DataFrame, known: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Return the latest known row up to each tick asked, NULL where there is none; in the order of what is asked.

    Args:
        asked: Columns tick and those of `by`.
        known: Columns since, those of `by`, and those that are returned.
        by: What has to be equal.
    """
    at = _in_order(asked.select(*by, "tick").with_row_index("row"), "tick")
    found = at.join_asof(_in_order(known, "since"), left_on="tick", right_on="since", by=[*by], check_sortedness=False)
    return found.sort("row").select(name for name in known.columns if name not in (*by, "since"))


def first_after(asked: pl.DataFrame, known: pl.DataFrame, by: Sequence[str]) -> Ints:
    """Return the first `since` of known rows after the tick asked, FOREVER where there is none.

    Args:
        asked: Columns tick and those of `by`.
        known: Columns since and those of `by`.
        by: What has to be equal.
    """
    at = _in_order(asked.select(*by, "tick").with_row_index("row"), "tick")
    found = at.join_asof(
        _in_order(known.select(*by, "since"), "since"),
        left_on="tick",
        right_on="since",
        by=[*by],
        strategy="forward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    return found.sort("row")["since"].fill_null(FOREVER).to_numpy()


def _in_order(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """Return rows in the order of a column; as they are where they lie so already."""
    return rows if rows[by].is_sorted() else rows.sort(by)
