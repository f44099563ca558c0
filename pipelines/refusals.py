"""Why signals of a run were rejected, from its files, for people."""

from pathlib import Path

import polars as pl

from pipelines.output_files import jsonl_frame, parquet_frame
from pipelines.report import Report
from schemas.visible import shortened, visible

LOUD = 0.5
"""The share of rejected signals from which a run says so loudly."""

MOST = 3
"""How many reasons are told."""


def loudly(report: Report) -> str:
    """Return what nobody may miss about a run: that it is about few of the signals, or about none; else nothing."""
    signals, rejected = report.signals["in"], report.rejected
    if not signals:
        return "NO SIGNAL WAS READ: the files are empty, and the outputs are about nobody"
    if rejected < LOUD * signals:
        return ""
    if rejected == signals:
        return f"ALL SIGNALS WERE REJECTED: {signals:,}; the outputs are about nobody"
    share = f"{rejected:,} of {signals:,}, {rejected / signals:.1%}"
    return f"MOST SIGNALS WERE REJECTED: {share}; the outputs are about the rest"


def refusals(out: str) -> str:
    """Return the most frequent reasons for which signals were rejected, an example of each; nothing without any.

    Args:
        out: The outputs of a run on this machine.
    """
    rows = _rejected(Path(out))
    if rows is None or rows.is_empty():
        return ""
    found = rows.group_by("reason").agg(pl.len().alias("rows"), pl.col("source", "position", "message").first())
    top = found.sort("rows", "reason", descending=[True, False]).head(MOST)
    more = len(found) - len(top)
    lines = [_line(*row) for row in top.select("reason", "rows", "source", "position", "message").iter_rows()]
    return "\n".join(["rejected, because", *lines, *([f"  and {more} more reasons"] if more else [])])


def _line(reason: str, rows: int, source: str, position: str, message: str) -> str:
    return f"  {reason}: {rows:,}, as {visible(shortened(source))}, {visible(position)}: {visible(shortened(message))}"


def _rejected(out: Path) -> pl.DataFrame | None:
    """Return the rejected records, in the order of the file; None if they are in no format that tells."""
    columns = ["source", "position", "reason", "message"]
    if (out / "rejected.parquet").is_file():
        return parquet_frame(out / "rejected.parquet", columns=columns)
    if (out / "rejected.jsonl").is_file():
        schema = dict.fromkeys(columns, pl.String)
        return jsonl_frame(out / "rejected.jsonl", schema)
    return None
