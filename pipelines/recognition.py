"""How well segments recognise who is who, against a truth that no signal tells."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from pipelines.summary import table

INSTANT = pl.Datetime("ms", "UTC")
TRUTH = {"subject": pl.String, "since": INSTANT, "until": INSTANT}
"""Who is it, since when, and until when, null for ever."""


@dataclass(frozen=True)
class Recognition:
    """How well one segment does.

    Attributes:
        true: Subjects whom the truth is about and who had time enough to be recognised.
        recognised: Those of them who entered within that time.
        entered: Subjects who entered.
        rightly: Those of them who did so while it was true, or no later after it than it takes to forget.
        delays: From when it became true to the first tick as a member, of those recognised.
    """

    true: int
    recognised: int
    entered: int
    rightly: int
    delays: pl.Series

    @property
    def precision(self) -> float | None:
        """The share of those who entered who are it; None if nobody entered."""
        return self.rightly / self.entered if self.entered else None

    @property
    def recall(self) -> float | None:
        """The share of those who are it who were recognised; None if there is nobody to recognise."""
        return self.recognised / self.true if self.true else None


def recognition(truth: pl.DataFrame, entered: pl.DataFrame, within: timedelta, end: datetime) -> Recognition:
    """Compare a segment with the truth.

    Args:
        truth: As `TRUTH` says, rows without `since` never become it; a subject may be it more than once.
        entered: `subject` and `tick` of each time that one entered the segment.
        within: The time that signals need to show it, and then to hide it: what the features look back.
        end: The end of the run: what became true less than `within` before it, or lasted less, may be missed.
    """
    known = truth.drop_nulls("since")
    pairs = entered.select("subject", "tick").join(known, on="subject").filter(pl.col("tick") >= pl.col("since"))
    rightly = pairs.filter(pl.col("until").is_null() | (pl.col("tick") <= pl.col("until") + within))
    lasts = pl.min_horizontal(pl.col("until").fill_null(end), pl.lit(end)) - pl.col("since")
    shown = known.filter(lasts >= within)
    soon = rightly.join(shown, on=["subject", "since"], how="semi").filter(pl.col("tick") <= pl.col("since") + within)
    first = soon.group_by("subject", "since").agg(delay=pl.col("tick").min() - pl.col("since").first())
    return Recognition(
        true=len(shown),
        recognised=len(first),
        entered=entered["subject"].n_unique(),
        rightly=rightly["subject"].n_unique(),
        delays=first["delay"].sort(),
    )


def recognition_text(found: Mapping[str, Recognition]) -> str:
    """Return a table: a row for each segment that somebody is, or entered."""
    return table(("segment", "true", "found", "precision", "recall", "delay: half", "nine in ten"), _rows(found))


def _rows(found: Mapping[str, Recognition]) -> Iterable[tuple[str, ...]]:
    for name, one in found.items():
        half, most = (one.delays.dt.total_milliseconds().quantile(share, "higher") for share in (0.5, 0.9))
        yield (
            name,
            str(one.true),
            str(one.recognised),
            _share(one.precision),
            _share(one.recall),
            _days(half),
            _days(most),
        )


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2f}"


def _days(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds / 86_400_000:.1f} d"
