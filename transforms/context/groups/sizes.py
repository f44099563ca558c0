"""Groups of more than `max_members`: when they become too large, and when they are so no more."""

import numpy as np
import polars as pl

from transforms.context.grid import NEVER, Span
from transforms.context.groups.people import presences_of
from transforms.context.state.shard_state import ShardState

KEPT = "too_large"
"""The name under which a memory keeps which groups are too large."""


def take_sizes(memory: ShardState, people: pl.DataFrame, span: Span, most: int) -> pl.DataFrame:
    """Return which groups become too large in a span or are so no more, and remember it.

    Args:
        memory: Changed in place: which groups are too large after the span.
        people: As `people.PEOPLE`.
        span: The ticks of the call.
        most: How many members a group may have in it.

    Returns:
        Columns code, tick and member: whether it is too large from then on; sorted by code and tick.
    """
    before = memory.groups.pop(KEPT, people.select("code").clear())
    if before.is_empty() and np.bincount(people["code"].to_numpy()).max(initial=0) <= most:
        return pl.DataFrame(schema={"code": pl.Int64, "tick": pl.Int64, "member": pl.Boolean})
    there = presences_of(people)
    steps = [
        there.select("code", tick="since", step=pl.lit(1)),
        there.filter(pl.col("until") < NEVER).select("code", tick="until", step=pl.lit(-1)),
        before.select("code", tick=pl.lit(span.first, pl.Int64), step=pl.lit(0)),
    ]
    sizes = pl.concat(steps).with_columns(pl.max_horizontal("tick", pl.lit(span.first, pl.Int64)))
    sizes = sizes.group_by("code", "tick").agg(pl.col("step").sum()).sort("code", "tick")
    states = sizes.select("code", "tick", member=pl.col("step").cum_sum().over("code") > most)
    large = states.unique("code", keep="last", maintain_order=True).filter("member").select("code")
    if large.height:
        memory.groups[KEPT] = large
    was = pl.col("member").shift().over("code").fill_null(pl.col("code").is_in(before["code"].implode()))
    return states.filter(pl.col("member") != was)
