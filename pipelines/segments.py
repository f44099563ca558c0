"""Who the members of each segment are: told from the files of a run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import sqrt
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.failures import outputs_needed
from pipelines.output_files import parquet_frame
from pipelines.summary import BARS, MOST_DAYS
from schemas.visible import visible_values
from transforms.statistics.effect_sizes import Z

LATELY = timedelta(days=7)
FEATURES = 6
"""How many features the text shows of a segment."""

SMALL = 0.2
"""Effects whose interval reaches below this are small (Cohen 1988); the text leaves them out."""

PEOPLE = {"subscriber": "subscribers", "household": "households", "sme": "SMEs"}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Who:
    """What a run tells of one segment.

    Attributes:
        segment: Its level and name, LEVEL.NAME.
        since: The end of the first hour or day in which it had members; None if it never had.
        entered_lately: Who entered in the last seven days.
        exited_lately: Who left in them.
        dwell_mean: How long all who ever left had stayed, in milliseconds; None if nobody left.
        sizes: Its size at the end of each day.
        stats: Its row of `segment_stats` for the last day.
        profile: Its rows of `segment_profiles` for that day, those that surely set it apart most first.
        alert: What the alert of that day says; None if the size is as expected, or nothing is.
    """

    segment: str
    since: datetime | None
    entered_lately: int
    exited_lately: int
    dwell_mean: float | None
    sizes: Sequence[int]
    stats: Row
    profile: Sequence[Row]
    alert: str | None

    def record(self) -> dict[str, Any]:
        """Return it as values that JSON knows but for instants."""
        return asdict(self)

    def text(self) -> str:
        """Return it as a paragraph for people."""
        parts = [[self._title()], [*self._numbers()], [*self._apart()], [*self._moved()], [*self._also()]]
        return "\n".join(line for part in parts for line in part)

    def _title(self) -> str:
        return f"{self.segment}: {self.stats['words']}" if self.stats["words"] else self.segment

    def _numbers(self) -> Iterator[str]:
        kind, size, base = (self.stats[name] for name in ("subject_kind", "size", "base"))
        day = self.stats["end"] - timedelta(days=1)
        since = f"; the first came by {self.since:%Y-%m-%d %H:%M}" if self.since else "; nobody ever was"
        yield f"  {size:,} of {base:,} {PEOPLE[kind]} ({_percent(size, base)}) at the end of {day:%Y-%m-%d}{since}"
        if self.alert:
            yield f"  not as expected: {self.alert}"
        stayed = f"; who left had stayed {_length(self.dwell_mean)} on average" if self.dwell_mean is not None else ""
        yield f"  last 7 days: {self.entered_lately:,} entered, {self.exited_lately:,} left{stayed}"
        every = 1 if len(self.sizes) <= MOST_DAYS else 7
        yield f"  size by {'day' if every == 1 else 'week'} {_bars(self.sizes[::-every][::-1])}".rstrip()

    def _apart(self) -> Iterator[str]:
        """Tell what surely sets the members apart."""
        told = [row for row in self.profile if sure(row) >= SMALL][:FEATURES]
        if told:
            yield "  what sets them apart, in standard deviations with 95 % interval"
        for row in told:
            yield f"    {row['effect']:+5.1f} ({row['low']:.1f} to {row['high']:.1f})".ljust(27) + _sentence(row)

    def _moved(self) -> Iterator[str]:
        """Tell what changed among the members since the day before."""
        moved = [
            row for row in self.profile if abs(row["drift"] or 0) >= max(2 * SMALL, Z * sqrt(2 / row["members_n"]))
        ]
        if moved:
            told = ", ".join(f"{_name(row)} {row['drift']:+.1f}" for row in moved[:FEATURES])
            yield f"  moved since the day before, in standard deviations: {told}"

    def _also(self) -> Iterator[str]:
        both = sorted(self.stats["overlap"], key=lambda one: (-one["members"], one["segment"]))
        if both:
            size = self.stats["size"]
            told = (f"{one['segment']} {one['members']:,} ({_percent(one['members'], size)})" for one in both)
            yield f"  of them also in {', '.join(told)}"


def who(out: str, level: str | None = None) -> list[Who]:
    """Read what a run tells of each segment, as of its last day; the largest first.

    Args:
        out: The directory of the run's outputs.
        level: Only segments of this kind of subject.

    Raises:
        NoOutputsError: the run's Parquet outputs are not there.
    """
    outputs = ("segment_stats", "segment_profiles", "alerts")
    with outputs_needed(out):
        stats, profiles, alerts = (parquet_frame(Path(out) / f"{name}.parquet") for name in outputs)
    wanted = pl.lit(True) if level is None else pl.col("subject_kind") == level
    found = []
    for (kind, segment), rows in stats.filter(wanted).group_by("subject_kind", "segment", maintain_order=True):
        mine = (table.filter(subject_kind=kind, segment=segment) for table in (profiles, alerts))
        found.append(_who(f"{kind}.{segment}", rows.sort("end"), *mine))
    return sorted(found, key=lambda one: (-one.stats["size"], one.segment))


def text_of(found: Iterable[Who]) -> str:
    """Return segments as text."""
    shown = [Who(**visible_values(vars(one))) for one in found]
    return "\n\n".join(one.text() for one in shown) + "\n" if shown else "no segment had a member\n"


def sure(row: Row) -> float:
    """Return how far from 0 the interval of an effect begins; 0 if it holds 0 or there is none."""
    low, high = row["low"], row["high"]
    return 0.0 if low is None or low <= 0 <= high else float(min(abs(low), abs(high)))


def _who(name: str, stats: pl.DataFrame, profiles: pl.DataFrame, alerts: pl.DataFrame) -> Who:
    days = stats.filter(pl.col("window") == "day").to_dicts()
    last, since = days[-1], stats.filter(pl.col("entered") > 0)["end"].to_list()
    lately = [day for day in days if day["end"] > last["end"] - LATELY]
    exited = sum(day["exited"] for day in days)
    stayed = sum(day["exited"] * day["dwell_mean"] for day in days if day["exited"])
    return Who(
        segment=name,
        since=min(since, default=None),
        entered_lately=sum(day["entered"] for day in lately),
        exited_lately=sum(day["exited"] for day in lately),
        dwell_mean=stayed / exited if exited else None,
        sizes=[day["size"] for day in days],
        stats=last,
        profile=sorted(profiles.filter(pl.col("end") == last["end"]).to_dicts(), key=sure, reverse=True),
        alert=next(iter(alerts.filter(pl.col("end") == last["end"])["message"]), None),
    )


def _sentence(row: Row) -> str:
    if row["value"] is not None:
        mean, others = f"{row['members_mean']:.0%}", f"{row['others_mean']:.0%}"
        return f"{_name(row)} for {mean}; others {others}"
    return f"{row['words'].format(_number(row['members_mean']))}; others {_number(row['others_mean'])}"


def _name(row: Row) -> str:
    return row["feature"] if row["value"] is None else f"{row['feature']} = {row['value']}"


def _number(value: float) -> str:
    """Return two figures, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _length(milliseconds: float) -> str:
    hours = milliseconds / 3_600_000
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"


def _bars(sizes: Sequence[int]) -> str:
    return "".join(BARS[-(-size * (len(BARS) - 1) // max(*sizes, 1))] for size in sizes)
