"""Which trace belongs to a subject at a tick: that of a signal that acts there."""

from collections.abc import Sequence

import polars as pl

from schemas.contracts import TRACE
from transforms.context.grid import Span

TRACED = "traced at"
"""The column of rows that groups are told of members' contexts: the time of the signal that `TRACE` is of."""


def traces_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Return of rows that were applied those that bear a trace: code, time, `TRACED` and `TRACE`."""
    at = pl.col(TRACED if TRACED in frame.columns else "time").alias(TRACED)
    return frame.select("code", "time", at, TRACE.name).drop_nulls(TRACE.name)


def traces_at(traces: Sequence[pl.DataFrame], span: Span, asked: pl.DataFrame) -> pl.DataFrame:
    """Return `TRACED` and `TRACE` of each pair of code and tick: of its subject's signals that act then, the latest.

    Of equal times the greatest text counts. NULL where there is none: what time alone brings about belongs to no trace.

    Args:
        traces: As `traces_of` gives them, of a call.
        span: That of the call.
        asked: Code and tick.
    """
    if not traces or not asked.height:
        none = [None] * asked.height
        return pl.DataFrame({TRACED: none, TRACE.name: none}, {TRACED: pl.Int64, TRACE.name: pl.String})
    rows = pl.concat(traces)
    ticks = pl.Series(span.grid.after(rows["time"].to_numpy())).clip(lower_bound=span.first)
    by_time = rows.with_columns(tick=ticks).sort(TRACED, TRACE.name)
    latest = by_time.group_by("code", "tick").agg(pl.last(TRACED, TRACE.name))
    pairs = asked.select("code", "tick").join(latest, ["code", "tick"], "left", maintain_order="left")
    return pairs.select(TRACED, TRACE.name)
