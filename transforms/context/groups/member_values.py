"""Features over a group's members: aggregates of what each last told of its context, as of any tick."""

from functools import cached_property

import numpy as np
import polars as pl

from schemas.playbook_levels import MEMBERS
from transforms.arrays.dtypes import Ints
from transforms.arrays.exact_arithmetic import sums
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.definitions import Feature
from transforms.context.features.timeline import EvaluationPoints, keys_of, without_repeats
from transforms.context.grid import NEVER
from transforms.context.state.shard_state import ShardState

NONE_IS_ZERO = ("count", "sum", "distinct")
_PAIR, _SEEN = "the pair", "members seen"
"""Columns beside those of features, whose names have no blank: the number of a pair, how many told something."""


class MemberValues:
    """What members told, from a tick until they told something else or left."""

    def __init__(self, plan: ContextPlan, memory: ShardState, leaves: pl.DataFrame) -> None:
        """Lay out the rows of the memory.

        Args:
            plan: Of the group.
            memory: Its rows of `MEMBERS` have columns code, time, member and the measures.
            leaves: Who left when: code, member, tick.
        """
        self._grid, self._features = plan.grid, [f for f in plan.features if f.signal == MEMBERS]
        none: dict[str, pl.DataType] = dict.fromkeys(("code", "time", "member"), pl.Int64())
        none |= {measure.key: measure.dtype for measure in plan.signals[MEMBERS].measures}
        rows = memory.rows.get(MEMBERS, pl.DataFrame(schema=none))
        self._leaves = leaves.select("code", "member", "tick")
        self._rows = rows.with_columns(start=pl.Series(plan.grid.after(rows["time"].to_numpy())))

    def changes(self) -> tuple[Ints, Ints]:
        """Return code and tick of where values may change."""
        return self._keys >> 40, (self._keys & (2**40 - 1)) * self._grid.tick

    def stays(self) -> tuple[Ints, Ints, Ints]:
        """Return code, first tick and end (exclusive) of where what a member told holds."""
        columns = (self._spells[name].to_numpy() for name in ("code", "start", "end"))
        return next(columns), next(columns), next(columns)

    def at(self, feature: Feature, points: EvaluationPoints) -> pl.Series:
        """Return the feature at each pair."""
        none = 0 if feature.aggregate in NONE_IS_ZERO else None
        values = self._values[feature.name].extend(pl.Series([none], dtype=feature.dtype))
        at = np.searchsorted(self._keys, points.keys(self._grid), "right") - 1
        known = (at >= 0) & (self._keys[at] >> 40 == points.codes) if len(self._keys) else np.zeros(len(points), bool)
        return values[np.where(known, at, len(self._keys))]

    @cached_property
    def _keys(self) -> Ints:
        """The pairs at which somebody's values begin or end; those that end in time do so where the next begin."""
        begun = without_repeats(keys_of(self._grid, self._rows["code"].to_numpy(), self._rows["start"].to_numpy()))
        if not self._leaves.height:
            return begun
        left = keys_of(self._grid, self._leaves["code"].to_numpy(), self._leaves["tick"].to_numpy())
        return without_repeats(np.sort(np.concatenate([begun, left]), kind="stable"))

    @cached_property
    def _values(self) -> pl.DataFrame:
        """Each feature at each of these pairs, in their order."""
        first = np.searchsorted(self._keys, self._edge("start"))
        counts = np.searchsorted(self._keys, self._edge("end")) - first
        rows = np.repeat(np.arange(len(counts)), counts)
        pair = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) + first[rows]
        read = {feature.measure.key for feature in self._features}
        there = self._spells.select(read)[rows].with_columns(pl.Series(_PAIR, pair, pl.Int64))
        plain = [_aggregate(f).alias(f.name) for f in self._features if not _adds_doubles(f)]
        made = there.group_by(_PAIR).agg(pl.len().alias(_SEEN), *plain)
        every = pl.DataFrame({_PAIR: np.arange(len(self._keys))}).join(made, _PAIR, "left", maintain_order="left")
        added = [_added(f, pair, there[f.measure.key], every.height) for f in self._features if _adds_doubles(f)]
        empty, zero = pl.col(_SEEN).is_null(), [f.name for f in self._features if f.aggregate in NONE_IS_ZERO]
        every = every.with_columns(added)
        return every.with_columns(pl.when(empty).then(0).otherwise(name).alias(name) for name in zero)

    @cached_property
    def _spells(self) -> pl.DataFrame:
        """The rows with their end: the tick at which the member told something else, or left."""
        one = ["code", "member"]
        rows = self._rows.sort(*one, "start", maintain_order=True)
        same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in one)
        following = pl.when(same).then(pl.col("start").shift(-1))
        if not self._leaves.height:
            return rows.with_columns(end=following.fill_null(NEVER))
        left = self._leaves.select(*one, left="tick").sort("left")
        gone = rows.select(*one, "start").with_row_index("row").sort("start")
        gone = gone.join_asof(
            left,
            left_on="start",
            right_on="left",
            by=one,
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        return rows.with_columns(end=pl.min_horizontal(following, gone.sort("row")["left"]).fill_null(NEVER))

    def _edge(self, column: str) -> Ints:
        """Return the keys of the spells' edges; an open end lies before the next subject."""
        codes, ticks = self._spells["code"].to_numpy(), self._spells[column].to_numpy()
        return np.where(ticks < NEVER, keys_of(self._grid, codes, np.minimum(ticks, NEVER - 1)), (codes + 1) << 40)


def _adds_doubles(feature: Feature) -> bool:
    return feature.aggregate == "mean" or (feature.aggregate == "sum" and feature.measure.dtype == pl.Float64)


def _added(feature: Feature, pair: Ints, values: pl.Series, pairs: int) -> pl.Series:
    """Return the sum, or the mean, of the doubles at each pair; NULL where it is too large, or a mean of none."""
    known = values.is_not_null().to_numpy()
    at, numbers = pair[known], values.drop_nulls().cast(pl.Float64).to_numpy()
    found = sums(at, numbers, pairs)
    if feature.aggregate == "mean":
        with np.errstate(invalid="ignore"):
            found = np.true_divide(found, np.bincount(at, minlength=pairs))
    return pl.Series(feature.name, np.where(np.isfinite(found), found, np.nan), nan_to_null=True)


def _aggregate(feature: Feature) -> pl.Expr:
    """Return the aggregate; whole numbers are added up exactly, and a sum that leaves Int64 is NULL."""
    value = pl.col(feature.measure.key)
    total = (value.cast(pl.Int128) if feature.measure.dtype == pl.Int64 else value).sum()
    made = {
        "count": value.count().cast(pl.Int64),
        "sum": total,
        "min": value.min(),
        "max": value.max(),
        "distinct": value.drop_nulls().n_unique().cast(pl.Int64),
    }
    return made[feature.aggregate].cast(feature.dtype, strict=False)


def keep_last(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what each member told last."""
    return (
        rows.sort("time", maintain_order=True)
        .group_by("code", "member")
        .last()
        .select(rows.columns)
        .sort("code", "time", "member")
    )
