"""What a run found and did, on one page of text."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from pipelines.output_files import parquet_frame
from schemas.playbook_levels import LEVELS
from schemas.visible import visible
from transforms.arrays.exact_arithmetic import quotient
from transforms.decision.candidates import MICROS

BARS = " ▁▂▃▄▅▆▇█"
MOST_DAYS = 70
REASONS = 5
_TRIGGER = ("subject_kind", "subject", "trigger", "trigger_tick")


def summary(out_dir: Path) -> str:
    """Return segments, moments, offers, offers over time, and why there are none or not yet, from the files of a run.

    Raises:
        FileNotFoundError: `out_dir` holds no transitions or no decisions in Parquet.
    """
    columns = ["subject_kind", "subject", "kind", "name", "event"]
    transitions = parquet_frame(out_dir / "transitions.parquet", columns=columns).with_columns(of_level())
    columns = ["decision_id", "recipient", "tick", "action", "offer", "value_micros", "reason", "holdout", "n", "root"]
    decisions = parquet_frame(out_dir / "decisions.parquet", columns=[*columns, *_TRIGGER])
    offers = decisions.filter(pl.col("action") == "offer")
    parts = [
        _segments(transitions.filter(pl.col("kind") == "segment")),
        _moments(transitions.filter(pl.col("kind") == "moment")),
        _offers(offers.join(lapsed(decisions), ["decision_id"], "left")),
        _over_time(offers["tick"]),
        _refusals("no offer, because", decisions.filter(pl.col("action").is_in(["no_offer", "outranked"]))),
        _deferrals(decisions),
        _holdouts(decisions),
        _refusals("withdrawn, because", decisions.filter(pl.col("action") == "withdrawn")),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def again(decisions: pl.DataFrame, *trigger: str) -> pl.DataFrame:
    """Return which held out decisions, by trigger and `n`, were followed by another: they were on own channels first.

    Args:
        decisions: With `reason`, too: who came in was not answered again.
        trigger: The columns that name a trigger.
    """
    follows = (pl.col("n") > 0) & pl.col("reason").ne_missing("came_in")
    held = decisions.filter(pl.col("action") == "holdout").select(*trigger, "n")
    after = decisions.filter(follows).select(*trigger, pl.col("n") - 1, again=True)
    return held.join(after.unique(), [*trigger, "n"])


def lapsed(decisions: pl.DataFrame, *run: str) -> pl.DataFrame:
    """Return which offers lapsed on own channels, by `run` and decision_id: what was pushed after them earns."""
    return decisions.filter(pl.col("reason").eq_missing("expired")).select(*run, "decision_id", again=True)


def worth() -> pl.Expr:
    """Return the expected value of what was not followed by another; after a join with `again` or `lapsed`."""
    return pl.when(pl.col("again").is_null()).then("value_micros").otherwise(0).sum().alias("value_micros")


def of_level() -> pl.Expr:
    """Return the `name` of a segment or moment as people say it: with its level, unless that is of subscribers."""
    level = pl.col("subject_kind")
    return pl.when(level == LEVELS[0]).then("name").otherwise(pl.format("{}.{}", level, "name")).alias("name")


def _segments(events: pl.DataFrame) -> str:
    counts = events.group_by("name").agg(
        entered=(pl.col("event") == "entered").sum().cast(pl.Int64),
        exited=(pl.col("event") == "exited").sum().cast(pl.Int64),
    )
    members = counts.with_columns(members=pl.col("entered") - pl.col("exited"))
    return table(("segment", "entered", "exited", "members at the end"), members.sort("name").iter_rows())


def _moments(events: pl.DataFrame) -> str:
    counts = events.group_by("name").agg(pl.len(), pl.col("subject").n_unique().alias("subjects"))
    return table(("moment", "fired", "of so many"), counts.sort("name").iter_rows())


def _offers(offers: pl.DataFrame) -> str:
    """Return what was sent, and what that is worth; what lapsed on own channels earns nothing."""
    counts = offers.group_by("offer").agg(pl.len(), pl.col("recipient").n_unique(), worth())
    rows = counts.with_columns(quotient(pl.col("value_micros"), pl.lit(MICROS)).round().cast(pl.Int64)).sort("offer")
    return table(("offer", "sent", "to so many", "expected value"), rows.iter_rows())


def _over_time(ticks: pl.Series) -> str:
    """Return a bar for each day, or for each week where days would be too many."""
    if ticks.is_empty():
        return "no offers"
    name, every = ("day", "1d") if ticks.dt.date().n_unique() <= MOST_DAYS else ("week", "1w")
    sent = pl.DataFrame({"of": ticks.dt.truncate(every).dt.date()}).group_by("of").len("sent").sort("of")
    counts: list[int] = sent.upsample("of", every=every)["sent"].fill_null(0).to_list()
    bars = "".join(BARS[-(-count * (len(BARS) - 1) // max(counts))] for count in counts)
    return f"offers by {name} (UTC), {sent['of'][0]} to {sent['of'][-1]}, {max(counts):,} at most\n  {bars}"


def _refusals(head: str, decisions: pl.DataFrame) -> str:
    reasons = decisions.select(reason=pl.coalesce("reason", "action")).to_series().value_counts()
    top = reasons.sort("count", "reason", descending=[True, False]).head(REASONS)
    return table((head, "decisions"), top.iter_rows())


def _deferrals(decisions: pl.DataFrame) -> str:
    """Return what triggers waited for, and for how many of them an offer came of it."""
    offered = decisions.filter((pl.col("action") == "offer") & (pl.col("n") > 0)).select(*_TRIGGER, offered=True)
    waited = decisions.filter(pl.col("action") == "deferred").join(offered, [*_TRIGGER], "left")
    counts = waited.group_by("reason").agg(pl.len(), pl.col("offered").sum())
    top = counts.sort("len", "reason", descending=[True, False]).head(REASONS)
    return table(("deferred, because", "decisions", "then sent"), top.iter_rows())


def _holdouts(decisions: pl.DataFrame) -> str:
    held = decisions.filter(pl.col("action") == "holdout").join(again(decisions, *_TRIGGER), [*_TRIGGER, "n"], "left")
    counts = held.group_by("holdout").agg(pl.len(), pl.col("root").n_unique(), worth())
    rows = counts.with_columns(quotient(pl.col("value_micros"), pl.lit(MICROS)).round().cast(pl.Int64))
    return table(("held out by", "decisions", "of so many", "expected value"), rows.sort("holdout").iter_rows())


def table(heads: Sequence[str], rows: Iterable[tuple[str | int, ...]]) -> str:
    """Return aligned columns, the first to the left; nothing without rows."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else f"  {visible(cell)}" for cell in row] for row in rows]
    if not cells:
        return ""
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    return "\n".join(_line(row, widths) for row in (heads, *cells))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *numbers])
