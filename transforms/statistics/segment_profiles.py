"""Profiles of segments: what sets their members apart from the others, at the end of each day."""

from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from schemas.durations import DAY
from schemas.records import SEGMENT_PROFILE
from transforms.arrays.exact_arithmetic import quotient
from transforms.context.emit.segment_parts import STEP
from transforms.statistics.effect_sizes import Group, Z, difference_of_means, difference_of_shares, moments

COMMONEST = 5
"""So many values of a text are told: the commonest among the members."""

FEATURE = ["end", "segment", "name", "value"]


def profiles_of(parts: pl.DataFrame, level: str, words: Mapping[str, str]) -> pa.Table:
    """Return how the members of each segment differ from all others who are known.

    Args:
        parts: As `stats.merged` returns them, whole windows.
        level: The kind of the subjects.
        words: What features measure, for people; others, as those of the profile, are told by their names.

    Returns:
        Rows as in `schemas.records.SEGMENT_PROFILE`; NULLs take no part.
    """
    day = parts.filter(pl.col("width") == DAY)
    both = pl.concat([_numbers(day), _values(day)])
    before = both.select(pl.col("end") + DAY, *FEATURE[1:], *(pl.col(f"members_{x}").alias(f"old_{x}") for x in SIDE))
    rows = _with_effects(both.join(before, on=FEATURE, how="left", nulls_equal=True))
    profiles = rows.with_columns(
        pl.lit(level).alias("subject_kind"),
        pl.from_epoch("end", "ms").dt.replace_time_zone("UTC"),
        pl.col("name").alias("feature"),
        pl.col("name").replace_strict(words, default=pl.col("name") + ": {}", return_dtype=pl.String).alias("words"),
    )
    ordered = profiles.select(SEGMENT_PROFILE.names).sort("segment", "end", "feature", "value")
    return ordered.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(SEGMENT_PROFILE)


SIDE = ("n", "mean", "sd")


def _numbers(day: pl.DataFrame) -> pl.DataFrame:
    """Return count, mean and deviation of each number, of members and of others."""
    numbers = day.filter(pl.col("measure") == "number")
    base = numbers.filter(pl.col("segment").is_null())
    mine = numbers.filter(pl.col("segment").is_not_null()).join(base, on=["end", "name"], suffix="_all")
    sums = ("n", "total", "squares")
    wide = mine.with_columns(**{f"{s}_others": pl.col(f"{s}_all") - pl.col(s) for s in sums}).with_columns(
        pl.col("^(total|squares)(_others)?$").cast(pl.Float64)
    )
    sides = {"members": moments(*map(pl.col, sums)), "others": moments(*(pl.col(f"{s}_others") for s in sums))}
    return wide.select(
        *FEATURE,
        *(
            expr.alias(f"{who}_{x}")
            for who, group in sides.items()
            for x, expr in (("n", group.n), ("mean", _in_ones(group.mean)), ("sd", _in_ones(group.sd)))
        ),
    )


def _in_ones(steps: pl.Expr) -> pl.Expr:
    return quotient(steps, pl.lit(round(1 / STEP)))


def _values(day: pl.DataFrame) -> pl.DataFrame:
    """Return the share of each value that is common among the members, of members and of others."""
    values = day.filter(pl.col("measure") == "value")
    values = values.with_columns(of=pl.col("n").sum().over("end", "segment", "name"))
    base = values.filter(pl.col("segment").is_null())
    mine = values.filter(pl.col("segment").is_not_null()).join(base, on=["end", "name", "value"], suffix="_all")
    mine = mine.sort("end", "segment", "name", pl.col("n"), "value", descending=[False] * 3 + [True, False])
    group = ("end", "segment", "name")
    mirrored = (pl.col("value") == "false") & (pl.col("value") == "true").any().over(group)
    common = mine.filter(~mirrored).filter(pl.int_range(pl.len()).over(group) < COMMONEST)
    others = pl.col("of_all") - pl.col("of")
    return common.select(
        *FEATURE,
        members_n="of",
        members_mean=quotient(pl.col("n"), pl.col("of")),
        members_sd=pl.lit(None, pl.Float64),
        others_n=others,
        others_mean=pl.when(others > 0).then(quotient(pl.col("n_all") - pl.col("n"), others)),
        others_sd=pl.lit(None, pl.Float64),
    )


def _with_effects(rows: pl.DataFrame) -> pl.DataFrame:
    members, others, old = (Group(*(pl.col(f"{who}_{x}") for x in SIDE)) for who in ("members", "others", "old"))
    text = pl.col("value").is_not_null()
    effect, error = (
        pl.when(text).then(share).otherwise(mean)
        for share, mean in zip(difference_of_shares(members, others), difference_of_means(members, others), strict=True)
    )
    drift = pl.when(text).then(difference_of_shares(members, old)[0]).otherwise(difference_of_means(members, old)[0])
    return rows.with_columns(effect=effect, low=effect - Z * error, high=effect + Z * error, drift=drift)
