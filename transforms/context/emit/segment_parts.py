"""What a span tells of segments: parts that add up over spans and shards, for each hour and day of event time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.durations import WEEK
from transforms.arrays.dtypes import Ints
from transforms.arrays.exact_arithmetic import quotient
from transforms.compiler.context_plan import ContextPlan
from transforms.context.conditions.segments import EVENTS
from transforms.context.features import intervals
from transforms.context.features.timeline import EvaluationPoints, keys_of, points_of
from transforms.context.grid import NEVER
from transforms.context.run import Run
from transforms.context.state.plan_migration import by_segment

_SEGMENT, _END, _NAME, _SUMS = "the segment", "the end", "the name", "the sums"
"""Columns beside those that a playbook names: its names have no blank."""

MOST_ROWS = 200_000
"""So many contexts of members, or those of one segment, are added up at a time."""

STEP = 1e-4
"""Numbers are added up as whole multiples of it, so that the sum is the same in any order."""

MOST = 10**15
"""Numbers further from 0 than so many steps count as that."""

PATIENCE = WEEK
"""A shard without a row for so long does not wake for windows alone: a job that is drained must come to an end."""

KEYS: dict[str, pl.DataType] = {
    "width": pl.Int64(),
    "end": pl.Int64(),
    "segment": pl.String(),
    "measure": pl.String(),
    "name": pl.String(),
    "value": pl.String(),
}
SUMS: dict[str, pl.DataType] = {"n": pl.Int64(), "total": pl.Decimal(38, 0), "squares": pl.Decimal(38, 0)}
PARTS = pl.DataFrame(schema=KEYS | SUMS).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
"""A part: window (width and end, milliseconds), segment (null: everybody known), what was measured, and its sums.

`measure` is one of: known, members, also (`name`: the other segment), entered, exited, dwell (`value`: milliseconds),
with a count in `n`; `number` (`name`: the feature) with count, sum and sum of squares of its multiples of `STEP`;
`value` (`name`: the feature, `value`) with a count. Parts with the same keys add up.
"""


class SegmentStats:
    """The segments of one span.

    Ticks in (end - width, end] belong to the window that ends at `end`: a tick closes what was before it. The last
    window of a run that ends within it is told as of the last tick.
    """

    def __init__(self, run: Run, left: pl.DataFrame) -> None:
        """Take what happened in the span.

        Args:
            run: After its conditions and before its commit: the memberships are those at the start of the span. Widths
                of windows that are no multiple of the tick are left out; at the ends of the widest all contexts are
                looked at.
            left: Exits from segments that are no more.
        """
        turns = {name: one.events for name, one in run.changes.items()} | by_segment(left)
        members, self._latest = run.memory.members, run.memory.latest
        self._plan, self._features, self._span, self._final = run.plan, run.features, run.span, run.options.final
        self._widths = _whole(run.plan, run.options.stats) if turns else []
        self._names = pl.Series([*turns], dtype=pl.String)
        self._turns = _of_segments(turns)
        self._memberships = members

    @cached_property
    def points(self) -> EvaluationPoints:
        """Where contexts are needed: everybody known, at the ends of the widest windows."""
        ends = self._ends(self._widths[-1]) if self._widths else np.empty(0, np.int64)
        ticks = np.minimum(ends, self._span.upto)
        codes, nth = intervals.pairs_at(self._known, ticks) if len(ticks) else (ticks, ticks)
        return points_of(self._plan.grid, keys_of(self._plan.grid, codes, ticks[nth]))

    @property
    def wake(self) -> int:
        """The next tick at which a window ends; `NEVER` where no row came for long."""
        if not self._widths or self._latest is None or self._latest <= self._span.upto - PATIENCE:
            return NEVER
        return min(-(-self._span.end // width) * width for width in self._widths)

    def parts(self, context: pl.DataFrame) -> pa.Table:
        """Return the parts; `context` holds the contexts at `points`, in their order."""
        found = [pl.DataFrame(schema=KEYS | SUMS)]
        for width in self._widths:
            tables = [*self._levels(width), *self._flows(width)]
            tables += self._profiles(context) if width == self._widths[-1] else []
            found += [table.with_columns(width=pl.lit(width, pl.Int64)) for table in tables]
        return _parts(self._plan, found)

    @cached_property
    def _members(self) -> pl.DataFrame:
        mine = self._memberships.filter(pl.col("segment").is_in(self._names.implode()))
        return intervals.of_members(self._turns, mine)

    @cached_property
    def _known(self) -> pl.DataFrame:
        of_rows = intervals.of_rows(self._features, self._span)
        members = self._members.select("code", pl.col("start").clip(self._span.first), "end")
        return intervals.union([of_rows, members])

    def _ends(self, width: int) -> Ints:
        """Return the windows' ends in the span: all at whose ends somebody may be known."""
        first, upto = self._known["start"].min(), self._span.upto
        if first is None:
            return np.empty(0, np.int64)
        assert isinstance(first, int)
        last = upto if self._final else upto - width + 1  # of the starts of windows
        return np.arange(-(-first // width), -(-last // width) + 1) * width

    def _levels(self, width: int) -> Iterator[pl.DataFrame]:
        """Count who is known, a member, and a member of another segment too."""
        ends = self._ends(width)
        if not len(ends):
            return
        ticks = np.minimum(ends, self._span.upto)
        known = pl.DataFrame({"end": ends, "n": intervals.count_at(self._known, ticks)})
        yield known.filter(pl.col("n") > 0).with_columns(measure=pl.lit("known"))
        inside = intervals.overlaps_at(self._members, self._names, ticks)
        alone = pl.col("one") == pl.col("other")
        yield inside.select(
            pl.Series("end", ends[inside["nth"].to_numpy()], pl.Int64),
            pl.when(alone).then(pl.lit("members")).otherwise(pl.lit("also")).alias("measure"),
            "n",
            segment="one",
            name=pl.when(~alone).then("other"),
        )

    def _flows(self, width: int) -> Iterator[pl.DataFrame]:
        """Count who entered, who left, and how long they had stayed."""
        end = (-(-pl.col("tick") // width) * width).alias("end")
        turns = self._turns.filter(pl.col("event").is_in(["entered", "exited"])).with_columns(end)
        yield turns.group_by("segment", "end", pl.col("event").alias("measure")).agg(n=pl.len().cast(pl.Int64))
        yield _dwell(self._members.filter(pl.col("end") <= self._span.upto), width)

    def _profiles(self, context: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Add up the features of everybody known, and of the members of each segment."""
        end = -(-pl.Series(self.points.ticks) // self._widths[-1]) * self._widths[-1]
        names = [feature.name for feature in self._plan.features]
        names += [derived.name for derived in self._plan.derived if derived.expression.columns]  # not what all have
        frame = context.select(end.alias(_END), *names)
        yield from _sums(frame.with_columns(pl.lit(None, pl.String).alias(_SEGMENT)))
        members = [np.flatnonzero(context[segment.name]) for segment in self._plan.segments]
        sizes = np.array([len(rows) for rows in members], np.int64)
        batch = np.cumsum(sizes) // MOST_ROWS
        for some in (np.flatnonzero(batch == n) for n in np.unique(batch)):
            rows = np.concatenate([members[n] for n in some])
            whose = pl.Series(_SEGMENT, np.repeat([self._plan.segments[n].name for n in some], sizes[some]), pl.String)
            yield from _sums(frame[rows].with_columns(whose))


def parts_of_erased(plan: ContextPlan, left: pl.DataFrame, widths: Sequence[int]) -> pa.Table:
    """Return the parts of memberships that end before a span begins, because their members are erased.

    Args:
        plan: The level's plan.
        left: The memberships: segment, start, end.
        widths: Of the windows, as for `SegmentStats`.
    """
    found = [pl.DataFrame(schema=KEYS | SUMS)]
    for width in _whole(plan, widths):
        ends = left.group_by("segment", -(-pl.col("end") // width) * width).agg(n=pl.len().cast(pl.Int64))
        tables = [ends.with_columns(measure=pl.lit("exited")), _dwell(left, width)]
        found += [table.with_columns(width=pl.lit(width, pl.Int64)) for table in tables]
    return _parts(plan, found)


def _whole(plan: ContextPlan, widths: Sequence[int]) -> list[int]:
    return [width for width in widths if width % plan.grid.tick == 0]


def _parts(plan: ContextPlan, found: Sequence[pl.DataFrame]) -> pa.Table:
    metadata = {b"subject_kind": plan.level.encode()}
    if not any(table.height for table in found):
        return PARTS.with_metadata(metadata).empty_table()
    both = pl.concat(found, how="diagonal_relaxed").select(*KEYS, *SUMS).sort(*KEYS)
    made = both.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(PARTS)
    return made.replace_schema_metadata(metadata)


def _dwell(left: pl.DataFrame, width: int) -> pl.DataFrame:
    """Count how long they had stayed who left; `left` as for `parts_of_erased`."""
    stayed = (pl.col("end") - pl.col("start")).cast(pl.String).alias("value")
    dwell = left.group_by("segment", -(-pl.col("end") // width) * width, stayed).agg(n=pl.len().cast(pl.Int64))
    return dwell.with_columns(measure=pl.lit("dwell"))


def _of_segments(turns: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return what happened to all memberships, with their segment."""
    tables = [table.select(EVENTS.keys()).with_columns(segment=pl.lit(name)) for name, table in turns.items()]
    return pl.concat([pl.DataFrame(schema=EVENTS | {"segment": pl.String}), *tables])


def _sums(frame: pl.DataFrame) -> Iterable[pl.DataFrame]:
    """Add up each feature by segment and end: numbers with their squares, other values by how many have them."""
    keys = {_SEGMENT: "segment", _END: "end"}
    features = frame.drop(keys)
    numbers = [name for name, dtype in features.schema.items() if dtype.is_numeric()]
    if numbers:
        steps = frame.with_columns(_steps(name) for name in numbers)
        sums = steps.group_by(*keys).agg(_moments(name) for name in numbers)
        moments = sums.unpivot(index=[*keys], variable_name=_NAME, value_name=_SUMS).unnest(_SUMS)
        yield moments.rename(keys | {_NAME: "name"}).filter(pl.col("n") > 0).with_columns(measure=pl.lit("number"))
    for name in (name for name in features.columns if name not in numbers):
        values = frame.select(segment=_SEGMENT, end=_END, value=pl.col(name).cast(pl.String))
        counts = values.drop_nulls("value").group_by(values.columns).agg(n=pl.len().cast(pl.Int64))
        yield counts.with_columns(name=pl.lit(name), measure=pl.lit("value"))


def _steps(name: str) -> pl.Expr:
    steps = quotient(pl.col(name), pl.lit(STEP)).round(0, mode="half_to_even").clip(-MOST, MOST)
    return steps.cast(pl.Int128).alias(name)


def _moments(name: str) -> pl.Expr:
    whole = pl.col(name)
    sums = {"n": whole.count(), "total": whole.sum(), "squares": (whole * whole).sum()}
    return pl.struct(sums[key].cast(dtype).alias(key) for key, dtype in SUMS.items()).alias(name)
