"""Rows in an order that depends on nothing but them."""

import numpy as np
import polars as pl


def in_order(rows: pl.DataFrame, *numbers: str) -> pl.DataFrame:
    """Sort rows by columns of numbers and, the few that are equal in these, by all others as they stand, NULL last."""
    ordered = rows.sort(numbers)
    same = ordered.select(pl.all_horizontal(pl.col(name).diff() == 0 for name in numbers).fill_null(False)).to_series()
    if not same.any():
        return ordered
    tied = np.flatnonzero((same | same.shift(-1, fill_value=False)).to_numpy())
    few = ordered[tied].with_columns(row=tied).sort(*numbers, pl.exclude(*numbers, "row"), nulls_last=True)
    order = np.arange(len(ordered))
    order[tied] = few["row"].to_numpy()
    return ordered[order]
