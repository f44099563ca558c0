"""Signals that the policy reads and cannot act upon: counted where they are taken in, each once."""

import polars as pl

from transforms.arrays.time_zones import known_zones
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.controls import of_unknown_names, that_act
from transforms.compiler.notices import CONTROL
from transforms.compiler.profiles import PROFILE

COUNTED = ("control_of_unknown_name", "unknown_zone")


def noticed_of(plan: ContextPlan, signal: str, rows: pl.DataFrame, counts: dict[str, int]) -> pl.DataFrame:
    """Return those rows of a signal of which contact roots are told; what is bad about them is counted.

    Args:
        plan: The level's plan.
        signal: The type.
        rows: Rows that are no copies, with the columns noticed.
        counts: Changed in place, under the names in `COUNTED`.
    """
    if signal == CONTROL:
        counts["control_of_unknown_name"] += of_unknown_names(rows, plan.names)
        return that_act(rows)
    if signal == PROFILE and "zone" in rows.columns:
        zones = rows["zone"].drop_nulls().value_counts()
        bad = ~pl.Series(known_zones(zones["zone"].to_list()), dtype=pl.Boolean)
        counts["unknown_zone"] += int(zones.filter(bad)["count"].sum())
    return rows
