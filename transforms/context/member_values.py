"""Features over a group's members: aggregates of what each last told of its context, as of any tick."""

from functools import cached_property

import numpy as np
import polars as pl

from schemas.playbook import MEMBERS
from transforms.context.definitions import ContextPlan, Feature
from transforms.context.memory import Memory
from transforms.context.segments import NEVER
from transforms.context.ticks import Grid, Ints
from transforms.context.timeline import Points, keys_of

NONE_IS_ZERO = ("count", "sum", "distinct")


class MemberValues:
    """What members told, from a tick until they told something else or left."""

    def __init__(self, plan: ContextPlan, memory: Memory, leaves: pl.DataFrame) -> None:
        """Lay out the rows of the memory.

        Args:
            plan: Of the group.
            memory: Its rows of `MEMBERS` have columns code, time, member and the measures.
            leaves: Who left when: code, member, tick.
        """
        self._grid, self._features = plan.grid, [f for f in plan.features if f.signal == MEMBERS]
        none: dict[str, pl.DataType] = dict.fromkeys(("code", "time", "member"), pl.Int64())
        none |= {measure.key: measure.dtype for measure in plan.signals[MEMBERS].measures}
        self._spells = _spells(plan.grid, memory.rows.get(MEMBERS, pl.DataFrame(schema=none)), leaves)

    def changes(self) -> tuple[Ints, Ints]:
        """Return code and tick of where values may change."""
        return self._keys >> 40, (self._keys & (2**40 - 1)) * self._grid.tick

    def at(self, feature: Feature, points: Points) -> pl.Series:
        """Return the feature at each pair."""
        none = 0 if feature.aggregate in NONE_IS_ZERO else None
        values = self._values[feature.name].extend(pl.Series([none], dtype=feature.dtype))
        at = np.searchsorted(self._keys, points.keys(self._grid), "right") - 1
        known = (at >= 0) & (self._keys[at] >> 40 == points.codes) if len(self._keys) else np.zeros(len(points), bool)
        return values[np.where(known, at, len(self._keys))]

    @cached_property
    def _keys(self) -> Ints:
        """The pairs at which somebody's values begin or end."""
        return np.unique(
            np.concatenate([self._edge("start"), self._edge("end")[self._spells["end"].to_numpy() < NEVER]])
        )

    @cached_property
    def _values(self) -> pl.DataFrame:
        """Each feature at each of these pairs, in their order."""
        first = np.searchsorted(self._keys, self._edge("start"))
        after = np.searchsorted(self._keys, self._edge("end"))
        counts = after - first
        rows = np.repeat(np.arange(len(counts)), counts)
        pair = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) + first[rows]
        there = self._spells[rows].with_columns(pair=pl.Series(pair, dtype=pl.Int64)).sort("pair", "member")
        made = there.group_by("pair").agg(**{f.name: _aggregate(f) for f in self._features})
        every = pl.DataFrame({"pair": np.arange(len(self._keys))}).join(made, "pair", "left", maintain_order="left")
        zero = [pl.col(f.name).fill_null(0) for f in self._features if f.aggregate in NONE_IS_ZERO]
        return every.with_columns(zero)

    def _edge(self, column: str) -> Ints:
        """Return the keys of the spells' edges; an open end lies before the next subject."""
        codes, ticks = self._spells["code"].to_numpy(), self._spells[column].to_numpy()
        return np.where(ticks < NEVER, keys_of(self._grid, codes, np.minimum(ticks, NEVER - 1)), (codes + 1) << 40)


def _spells(grid: Grid, rows: pl.DataFrame, leaves: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with start and end: the ticks between which they are what the member told last."""
    one = ["code", "member"]
    told = rows.with_columns(start=pl.Series(grid.after(rows["time"].to_numpy())))
    told = told.unique([*one, "start"], keep="last", maintain_order=True).sort(*one, "start")
    following = pl.col("start").shift(-1).over(one)
    left = (
        told.join_asof(
            leaves.select(*one, left="tick").sort("left"),
            left_on="start",
            right_on="left",
            by=one,
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        )["left"]
        if leaves.height
        else pl.Series([None] * len(told), dtype=pl.Int64)
    )
    return told.with_columns(end=pl.min_horizontal(following, left).fill_null(NEVER))


def _aggregate(feature: Feature) -> pl.Expr:
    value = pl.col(feature.measure.key)
    made = {
        "count": value.count().cast(pl.Int64),
        "sum": value.sum(),
        "min": value.min(),
        "max": value.max(),
        "mean": value.mean(),
        "distinct": value.drop_nulls().n_unique().cast(pl.Int64),
    }
    return made[feature.aggregate].cast(feature.dtype)


def keep_last(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what each member told last."""
    return (
        rows.sort("time", maintain_order=True)
        .group_by("code", "member")
        .last()
        .select(rows.columns)
        .sort("code", "time", "member")
    )
