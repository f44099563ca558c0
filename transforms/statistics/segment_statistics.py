"""Statistics of segments: size, share of the base, flow, dwell and overlap in each window."""

from collections.abc import Iterable, Mapping

import polars as pl
import pyarrow as pa

from schemas.durations import DAY, HOUR
from schemas.records import SEGMENT_STATS
from transforms.arrays.exact_arithmetic import quotient
from transforms.context.emit.segment_parts import KEYS, PARTS, SUMS

WINDOWS = {HOUR: "hour", DAY: "day"}


def merged(parts: Iterable[pa.RecordBatch]) -> pl.DataFrame:
    """Add up parts (see `context.emit.segment_parts.PARTS`), in any order and however split."""
    table = pl.DataFrame(pa.Table.from_batches(parts, PARTS))
    return table.group_by(*KEYS).agg(pl.col(*SUMS).sum()).sort(*KEYS)


def stats_of(parts: pl.DataFrame, level: str, segments: Mapping[str, str]) -> pa.Table:
    """Return the statistics of each segment in each window.

    Args:
        parts: As `merged` returns them, whole windows.
        level: The kind of the subjects.
        segments: All segments of the level, and what they mean.

    Returns:
        Rows as in `schemas.records.SEGMENT_STATS`. Hours in which no segment had a member are left out, and days in
        which moreover nobody was known.
    """
    known = (pl.col("measure") == "known") & (pl.col("width") == DAY)
    lived = parts.filter(pl.col("segment").is_not_null() | known).select("width", "end").unique()
    windows = lived.join(_sizes(parts, "known", "base").drop("segment"), on=["width", "end"], how="left")
    rows = windows.join(
        pl.DataFrame(
            {"segment": [*segments], "words": [*segments.values()]},
            schema_overrides={"segment": pl.String, "words": pl.String},
        ),
        how="cross",
    )
    for measure, name in {"members": "size", "entered": "entered", "exited": "exited"}.items():
        rows = rows.join(_sizes(parts, measure, name), on=["width", "end", "segment"], how="left")
    rows = rows.with_columns(pl.col("base", "size", "entered", "exited").fill_null(0))
    for table in (_dwell(parts), _overlap(parts)):
        rows = rows.join(table, on=["width", "end", "segment"], how="left")
    rows = rows.with_columns(share=pl.when(pl.col("base") > 0).then(quotient(pl.col("size"), pl.col("base"))))
    return _table(_with_drift(rows), level)


def _sizes(parts: pl.DataFrame, measure: str, name: str) -> pl.DataFrame:
    return parts.filter(pl.col("measure") == measure).select("width", "end", "segment", pl.col("n").alias(name))


def _dwell(parts: pl.DataFrame) -> pl.DataFrame:
    """Return median and mean of how long those had stayed who left."""
    stays = parts.filter(pl.col("measure") == "dwell").with_columns(dwell=pl.col("value").cast(pl.Int64))
    each = stays.select("width", "end", "segment", pl.col("dwell").repeat_by("n")).explode("dwell")
    dwell = pl.col("dwell")
    dwells = each.group_by("width", "end", "segment").agg(
        dwell_median=dwell.median().round().cast(pl.Int64), dwell_mean=dwell.sum(), n=pl.len()
    )
    mean = quotient(pl.col("dwell_mean"), pl.col("n")).round().cast(pl.Int64)
    return dwells.with_columns(dwell_mean=mean).drop("n")


def _overlap(parts: pl.DataFrame) -> pl.DataFrame:
    """Return how many are members of each other segment too, those with any."""
    both = parts.filter(pl.col("measure") == "also").sort("name")
    shared = pl.struct(segment="name", members="n")
    return both.group_by("width", "end", "segment", maintain_order=True).agg(overlap=shared)


def _with_drift(rows: pl.DataFrame) -> pl.DataFrame:
    """Add how far the share moved since the end of the window before."""
    before = rows.select("width", pl.col("end") + pl.col("width"), "segment", before="share")
    joined = rows.join(before, on=["width", "end", "segment"], how="left")
    return joined.with_columns(drift=pl.col("share") - pl.col("before"))


def _table(rows: pl.DataFrame, level: str) -> pa.Table:
    labelled = rows.with_columns(
        pl.lit(level).alias("subject_kind"),
        pl.col("width").replace_strict(WINDOWS, return_dtype=pl.String).alias("window"),
        pl.from_epoch("end", "ms").dt.replace_time_zone("UTC"),
        pl.col("overlap").fill_null([]),
    )
    ordered = labelled.select(SEGMENT_STATS.names).sort("subject_kind", "segment", "window", "end")
    return ordered.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(SEGMENT_STATS)
