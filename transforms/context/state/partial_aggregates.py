"""What is kept of rows: the parts of each aggregate, and old rows compacted to one partial row per (subject, pane)."""

from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from transforms.compiler.context_plan import SignalPlan
from transforms.compiler.definitions import Measure
from transforms.context.grid import EVER

PARTS = {
    "count": ("n",),
    "sum": ("sum",),
    "mean": ("n", "sum"),
    "min": ("min",),
    "max": ("max",),
    "first": ("first",),
    "last": ("last",),
    "latest": ("latest",),
    "seconds_since_last": ("time",),
    "distinct": (),
    "opt_in": ("last",),
    "opt_out": ("last",),
}
"""The parts that each aggregate is made of; distinct values have rows of their own."""

WIDE = pl.Decimal(38, 0)
"""Type of the sums of panes: room for 2**31 rows of any whole numbers."""


def parts(signal: SignalPlan, pane: int) -> Iterator[tuple[Measure, str]]:
    """Yield each (measure, part) that the features of one pane are made of, once."""
    seen = set()
    for feature in signal.features:
        for part in PARTS[feature.aggregate] if feature.pane == pane else ():
            if (feature.measure.key, part) not in seen:
                seen.add((feature.measure.key, part))
                yield feature.measure, part


def distinct_measures(signal: SignalPlan, pane: int) -> Iterable[Measure]:
    """Return the measures whose different values the features of one pane count."""
    return {f.measure.key: f.measure for f in signal.features if f.pane == pane and f.aggregate == "distinct"}.values()


def of_rows(signal: SignalPlan, pane: int, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return single rows as partial rows: code, time, and the parts of one pane."""
    return rows.select("code", "time", *(_of_row(m, part).alias(f"{m.key}.{part}") for m, part in parts(signal, pane)))


def of_panes(signal: SignalPlan, pane: int, panes: pl.LazyFrame) -> pl.LazyFrame:
    """Return compacted rows in the shape of `of_rows`: the order that parts keep is taken off."""
    columns = [f"{measure.key}.{part}" for measure, part in parts(signal, pane)]
    return panes.select(
        "code", "time", *(pl.col(c).struct.field("value").alias(c) if _has_order(c) else pl.col(c) for c in columns)
    )


def compact(signal: SignalPlan, pane: int, panes: pl.DataFrame | None, rows: pl.DataFrame) -> pl.DataFrame:
    """Merge rows into the partial rows of their panes.

    Returns:
        code, time (start of the pane, 0 for `EVER`), of a group also member, and the parts, sorted by these. Parts of
        first, last and latest are structs (time, source, id, value), so that ties are decided the same way at any time.
    """
    order = ("time", "source", "id")
    keys = ("code", "time", *signal.whose)
    single = rows.select(
        "code",
        pane_start(pane),
        *signal.whose,
        *(
            pl.when(_of_row(m, part).is_not_null() | (part == "latest"))
            .then(pl.struct(*order, value=_of_row(m, part)))
            .alias(name)
            if _has_order(name := f"{m.key}.{part}")
            else _of_row(m, part).alias(name)
            for m, part in parts(signal, pane)
        ),
    )
    both = single if panes is None else pl.concat([panes, single], how="vertical_relaxed")
    return _merged(both, keys)


def of_everybody(panes: pl.DataFrame) -> pl.DataFrame:
    """Merge the compacted rows of a group's members."""
    return _merged(panes.drop("member"), ("code", "time"))


def compact_values(
    signal: SignalPlan, pane: int, key: str, values: pl.DataFrame | None, rows: pl.DataFrame
) -> pl.DataFrame:
    """Merge the different values of rows into those of their panes.

    Returns:
        code, time (start of the pane), value; sorted and without duplicates.
    """
    single = rows.select("code", pane_start(pane), *signal.whose, value=pl.col(key)).drop_nulls("value")
    both = single if values is None else pl.concat([values, single])
    return both.unique().sort("code", "time", "value", *signal.whose)


def pane_start(pane: int) -> pl.Expr:
    """Return the start of the pane of column `time`."""
    return pl.lit(0, pl.Int64).alias("time") if pane == EVER else (pl.col("time") - pl.col("time") % pane)


def _of_row(measure: Measure, part: str) -> pl.Expr:
    value = pl.col(measure.key)
    if part == "n":
        return value.is_not_null().cast(pl.Int64)
    if part == "time":
        return pl.when(value.is_not_null()).then(pl.col("time"))
    return value


def _merged(panes: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    merged = panes.group_by(keys).agg(_merge(column) for column in panes.columns if column not in keys)
    return merged.sort(keys)


def _merge(column: str) -> pl.Expr:
    expr, part = pl.col(column), column.rpartition(".")[2]
    if part in ("n", "sum"):
        return (expr.cast(WIDE) if part == "sum" else expr).sum()
    if part == "first":
        return expr.drop_nulls().sort().first()
    if part in ("last", "latest"):
        return expr.drop_nulls().sort().last()
    return expr.min() if part == "min" else expr.max()


def _has_order(column: str) -> bool:
    return column.endswith((".first", ".last", ".latest"))
