"""Who is in a group as of a tick: recipients, and what a group loses with a member that leaves."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook_levels import MEMBERS
from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.hashing import finalise, fnv1a64
from transforms.context.features.timeline import EvaluationPoints, keys_of
from transforms.context.grid import NEVER, Grid
from transforms.context.groups.epochs import keep_rest
from transforms.context.groups.member_values import keep_last
from transforms.context.state.shard_state import ShardState, Tables

KEPT = "people"
"""The name under which a memory keeps what members told."""

PEOPLE = {
    "code": pl.Int64,
    "member": pl.Int64,
    "tick": pl.Int64,
    "subscriber": pl.String,
    "joined": pl.Boolean,
    "role": pl.String,
    "household": pl.String,
    "sme": pl.String,
    "moved_until": pl.Int64,
}


def member_of(subscribers: pl.Series) -> pl.Series:
    """Return the number of each subscriber among the members of a group: a hash of its id, column `member`."""
    strings = subscribers.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())
    return pl.Series("member", finalise(fnv1a64(strings)).view(np.int64))


def take_people(grid: Grid, memory: ShardState, memberships: pl.DataFrame | None) -> pl.DataFrame:
    """Take in who joined and left, and return all that is known of members.

    Args:
        grid: Of the plan.
        memory: What no later tick can need is dropped there.
        memberships: What members told in the call, as `plan.features.PEOPLE` with code and time.

    Returns:
        Columns of `PEOPLE`, a row from each tick at which something is new; sorted by code, member and tick.
    """
    people = memory.groups.get(KEPT, pl.DataFrame(schema=PEOPLE))
    if memberships is not None and len(memberships):
        floor = 0 if memory.closed is None else memory.closed
        ticks = np.maximum(grid.after(memberships["time"].to_numpy()), floor + grid.tick)
        new = memberships.with_columns(tick=pl.Series(ticks))
        people = pl.concat([people, new.sort("time").select(PEOPLE.keys())])
        people = people.unique(["code", "member", "tick"], keep="last", maintain_order=True)
        people = people.sort("code", "member", "tick")
    return people


def keep_people(people: pl.DataFrame, memory: ShardState, leaves: pl.DataFrame) -> None:
    """Keep what is known of those who are still there at the closed tick, and nothing through those who left."""
    if leaves.height:
        of_members: tuple[Tables[Any], ...] = (memory.rows, memory.panes, memory.values)
        for tables in of_members:
            tables.update({name: keep_rest(table, leaves) for name, table in tables.items()})
    if MEMBERS in memory.rows:
        memory.rows[MEMBERS] = keep_last(memory.rows[MEMBERS])
    last = people.group_by("code", "member", maintain_order=True).last()
    memory.groups[KEPT] = last.filter("joined").select(PEOPLE.keys())


def leaves_of(people: pl.DataFrame) -> pl.DataFrame:
    """Return who left when: code, member, tick."""
    return people.filter(~pl.col("joined")).select("code", "member", "tick")


def presences_of(people: pl.DataFrame) -> pl.DataFrame:
    """Return what is known of members with the ticks between which it holds, `since` and `until`."""
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in ("code", "member"))
    until = pl.when(same).then(pl.col("tick").shift(-1)).otherwise(NEVER)
    return people.with_columns(until=until).filter("joined").rename({"tick": "since"})


def present_at(people: pl.DataFrame, points: pl.DataFrame) -> pl.DataFrame:
    """Return everybody who is in a group at a tick.

    Args:
        people: As `PEOPLE`.
        points: Columns code and tick, and others that are kept.
    """
    pairs = points.join(presences_of(people), "code", maintain_order="left")
    return pairs.filter((pl.col("since") <= pl.col("tick")) & (pl.col("tick") < pl.col("until")))


def too_large_at(grid: Grid, people: pl.DataFrame, points: EvaluationPoints, most: int) -> Bools:
    """Tell at which pairs a group has more than so many members."""
    if np.bincount(people["code"].to_numpy()).max(initial=0) <= most:
        return np.zeros(len(points), bool)
    there, keys = presences_of(people), points.keys(grid)

    def passed(edge: str) -> Ints:
        ended = there.filter(pl.col(edge) < NEVER)
        at = np.sort(keys_of(grid, ended["code"].to_numpy(), ended[edge].to_numpy()))
        return np.searchsorted(at, keys, "right") - np.searchsorted(at, points.codes << 40)

    return passed("since") - passed("until") > most
