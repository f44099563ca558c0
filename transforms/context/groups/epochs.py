"""What a group may know: all that it knows through a member goes with it; what is inferred waits for its consent."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Ints
from transforms.context.features.timeline import EvaluationPoints, keys_of
from transforms.context.grid import Grid


@dataclass(frozen=True, eq=False)
class Epochs:
    """The times of each group in which its members are the same; each epoch has a number, in order of the groups.

    Windows are ranges of one subject's rows in time; so a group is laid out once for each of its epochs, without the
    rows of those who have left or, if it asks, do not consent.

    Attributes:
        grid: Ticks.
        leaves: Who left when: code, member, tick; within the span of a call.
        consents: Whether members consent from a tick on, see `consents_of`; None if nobody asks.
    """

    grid: Grid
    leaves: pl.DataFrame
    consents: pl.DataFrame | None = None

    @cached_property
    def _bounds(self) -> EvaluationPoints:
        """The first tick of each epoch but a group's first, sorted."""
        if self.leaves.is_empty() and self.consents is None:
            return EvaluationPoints(np.empty(0, np.int64), np.empty(0, np.int64))
        turns = [self.leaves] if self.consents is None else [self.leaves, self.consents.filter(pl.col("tick") > 0)]
        bounds = pl.concat(turn.select("code", "tick") for turn in turns).unique().sort("code", "tick")
        return EvaluationPoints(bounds["code"].to_numpy(), bounds["tick"].to_numpy())

    @cached_property
    def _numbers(self) -> Ints:
        """The number of the epoch that begins at each bound."""
        return self._bounds.codes + np.arange(1, len(self._bounds) + 1)

    def of(self, points: EvaluationPoints) -> EvaluationPoints:
        """Return the pairs with the number of the epoch for the code."""
        return (
            EvaluationPoints(points.codes + self._passed(points.codes, points.ticks), points.ticks)
            if len(self._bounds)
            else points
        )

    def within(self, numbers: Ints, ticks: Ints) -> tuple[Ints, Ints]:
        """Return code and tick of the pairs of an epoch and a tick that belong together."""
        if not len(self._bounds):
            return numbers, ticks
        codes = numbers - np.searchsorted(self._numbers, numbers, "right")
        rows = np.flatnonzero(codes + self._passed(codes, ticks) == numbers)
        return codes[rows], ticks[rows]

    def clip(self, numbers: Ints, start: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
        """Return code, start and end of what lasts in an epoch, as far as it is within it."""
        if not len(self._bounds):
            return numbers, start, end
        passed = np.searchsorted(self._numbers, numbers, "right")
        codes = numbers - passed
        bounds = EvaluationPoints(np.append(self._bounds.codes, -1), np.append(self._bounds.ticks, 0))
        begun, ended = bounds.at(passed - 1), bounds.at(passed)
        start = np.where(begun.codes == codes, np.maximum(start, begun.ticks), start)
        return codes, start, np.where(ended.codes == codes, np.minimum(end, ended.ticks), end)

    def edges(self) -> tuple[Ints, Ints]:
        """Return code and tick of where epochs begin."""
        return self._bounds.codes, self._bounds.ticks

    def lay(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of each epoch, its number for the code, without the rows that it must not have.

        Args:
            rows: Columns code, time, member and others; sorted by code and time.
        """
        begun = self._consented(rows, pl.lit(0, pl.Int64))
        if not len(self._bounds):
            return begun
        codes = begun["code"].to_numpy()
        first = codes + np.searchsorted(self._bounds.codes, codes)
        epochs = pl.DataFrame({"code": self._bounds.codes, "number": self._numbers, "start": self._bounds.ticks})
        again = rows.with_row_index("row").join(epochs, "code", maintain_order="left")
        alive = self._consented(again.filter(~self._left(again)), pl.col("start"))
        return pl.concat(
            [begun.with_columns(code=pl.Series(first)), alive.with_columns(code="number").select(rows.columns)]
        ).sort("code", "time", maintain_order=True)

    def _left(self, rows: pl.DataFrame) -> pl.Series:
        """Tell of which rows the member left after their time and not after the start of the epoch."""
        left = self.leaves.select("code", "member", "tick").sort("tick")
        asked = rows.select("code", "member", "start", "time").with_row_index("n").sort("start")
        last = asked.join_asof(
            left, left_on="start", right_on="tick", by=["code", "member"], check_sortedness=False
        ).sort("n")
        return (last["tick"] > rows["time"]).fill_null(False)

    def _consented(self, rows: pl.DataFrame, start: pl.Expr) -> pl.DataFrame:
        """Return the rows whose member consents at the start of its epoch; a group's own are of nobody who could."""
        if self.consents is None:
            return rows
        asked = rows.select("code", "member", start=start).with_row_index("n").sort("start")
        last = asked.join_asof(
            self.consents, left_on="start", right_on="tick", by=["code", "member"], check_sortedness=False
        ).sort("n")
        return rows.filter(last["consents"].fill_null(False) | (rows["member"] == 0))

    def _passed(self, codes: Ints, ticks: Ints) -> Ints:
        """Count the bounds that are not after each (code, tick), those of smaller codes included."""
        return np.searchsorted(self._bounds.keys(self.grid), keys_of(self.grid, codes, ticks), "right")


def consents_of(grid: Grid, rows: pl.DataFrame, closed: int) -> pl.DataFrame:
    """Return whether members consent from a tick on, where that changes; tick 0 is for what was told before.

    Args:
        grid: Ticks.
        rows: What members told: code, member, time, consents.
        closed: The tick before the span.
    """
    ticks = grid.after(rows["time"].to_numpy())
    consents = rows.select("code", "member", "consents", tick=pl.Series(np.where(ticks > closed, ticks, 0)))
    consents = consents.sort("code", "member", "tick", maintain_order=True)
    before = pl.col("consents").shift().over("code", "member").fill_null(False)
    return consents.filter(pl.col("consents") != before).sort("tick")


def keep_rest(rows: pl.DataFrame, leaves: pl.DataFrame) -> pl.DataFrame:
    """Return the rows without those of members who left after their time."""
    last = leaves.group_by("code", "member").agg(left=pl.col("tick").max())
    return (
        rows.join(last, ["code", "member"], "left", maintain_order="left")
        .filter((pl.col("left") <= pl.col("time")).fill_null(True))
        .drop("left")
    )
