"""Which trace a trigger belongs to: that of a signal that acts at its tick."""

import polars as pl

from schemas.contracts import TRACE
from transforms.context.run import Run


def traces_at(run: Run, asked: pl.DataFrame) -> pl.Series:
    """Return the trace of each pair of code and tick: of its subject's signals that act then and bear one, the latest.

    Of equal times the greatest text counts. NULL where there is none: what time alone brings about belongs to no trace.
    """
    if not run.ingested.traces or not asked.height:
        return pl.Series(TRACE.name, [None] * asked.height, pl.String)
    rows = pl.concat(run.ingested.traces)
    ticks = pl.Series(run.plan.grid.after(rows["time"].to_numpy())).clip(lower_bound=run.span.first)
    latest = rows.with_columns(tick=ticks).sort("time", TRACE.name).group_by("code", "tick").agg(pl.last(TRACE.name))
    return asked.select("code", "tick").join(latest, ["code", "tick"], "left", maintain_order="left")[TRACE.name]
