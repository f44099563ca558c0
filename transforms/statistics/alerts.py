"""Alerts: days on which the share of a segment is not what the analyst expects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from schemas.records import ALERT
from schemas.versions import Versions

FOR_EVER = 2**63 - 1


@dataclass(frozen=True)
class Poster:
    """What share of a segment one version of a playbook expects.

    Attributes:
        segment: Its name.
        since: The first tick of the version.
        until: The first tick of the next one.
        least: The least share, of 1, still as expected.
        most: The greatest.
    """

    segment: str
    since: int
    until: int
    least: float
    most: float


def posters(versions: Versions, level: str) -> Iterator[Poster]:
    """Yield what each version expects of the segments of a level."""
    starts = versions.starts
    for book, since, until in zip(versions.playbooks, (0, *starts), (*starts, FOR_EVER), strict=True):
        for name, segment in book.levels[level].segments.items() if level in book.levels else ():
            if segment.expect:
                yield Poster(name, since, until, *segment.expect)


def alerts(stats: pa.Table, expected: Sequence[Poster]) -> pa.Table:
    """Return where the facts contradict the poster.

    Args:
        stats: Rows as in `schemas.records.SEGMENT_STATS`, of one level.
        expected: What is expected; of a day, by the version that is in force at its end.

    Returns:
        Rows as in `schemas.records.ALERT`: one a segment and day; none for a day at whose end nobody is known.
    """
    days = pl.DataFrame(stats).filter(pl.col("window") == "day").join(_table(expected), "segment")
    in_force = pl.col("end").dt.epoch("ms").is_between("since", "until", closed="left")
    outside = days.filter(in_force & ~pl.col("share").is_between("least", "most"))
    rows = outside.with_columns(message=_message()).select(ALERT.names).sort("subject_kind", "segment", "end")
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(ALERT)


def _table(expected: Sequence[Poster]) -> pl.DataFrame:
    times, shares = dict.fromkeys(("since", "until"), pl.Int64), dict.fromkeys(("least", "most"), pl.Float64)
    return pl.DataFrame(expected, schema={"segment": pl.String, **times, **shares})


def _message() -> pl.Expr:
    share, least, most = (pl.format("{}%", (pl.col(name) * 100).round(3)) for name in ("share", "least", "most"))
    who = ("size", "base", "subject_kind", "segment", share, least, most)
    return pl.format("{} of {} are in `{}.{}`: {}, not {} to {}", *who)
