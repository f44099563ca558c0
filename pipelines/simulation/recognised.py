"""What the simulated town's playbook should recognise: segments, and where the truth about them is."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from pipelines.output_files import parquet_frame
from pipelines.recognition import INSTANT, Recognition, recognition

SOUGHT: dict[tuple[str, str], tuple[tuple[tuple[str, str, str], ...], timedelta]] = {
    ("subscriber", "churn_risk"): ((("subscribers", "subscriber", "leaving"),), timedelta(days=14)),
    ("subscriber", "looks_for_fibre"): (
        (("subscribers", "subscriber", "fibre_curious"), ("visitors", "visitor", "fibre_curious")),
        timedelta(days=7),
    ),
    ("subscriber", "travelling"): ((("subscribers", "subscriber", "travelling"),), timedelta(days=2)),
    ("household", "homeworker"): ((("households", "household", "homeworker"),), timedelta(days=14)),
    ("household", "nanobusiness"): ((("households", "household", "nanobusiness"),), timedelta(days=14)),
    ("sme", "growing"): ((("smes", "sme", "growing"),), timedelta(days=28)),
}
"""Kind of subject and segment to tables of truth (file, column of the subject, what is true), and the time it takes."""


def recognised(truth: Path, run: Path, segments: Iterable[tuple[str, str]], end: datetime) -> dict[str, Recognition]:
    """Return how well each of the segments that are sought recognises who the town's people are.

    Args:
        truth: The folder of truth tables.
        run: The outputs of a run over the town's signals.
        segments: Kinds of subjects and names of segments that the playbook has.
        end: The end of the town.
    """
    columns = ["subject_kind", "subject", "name", "event", "tick"]
    transitions = parquet_frame(run / "transitions.parquet", columns=columns).filter(pl.col("event") == "entered")
    found = {}
    for kind, name in segments:
        if (kind, name) in SOUGHT:
            tables, within = SOUGHT[kind, name]
            entered = transitions.filter((pl.col("subject_kind") == kind) & (pl.col("name") == name))
            known = pl.concat([_truth(truth, *one) for one in tables])
            found[name if kind == "subscriber" else f"{kind}.{name}"] = recognition(known, entered, within, end)
    return found


def _truth(folder: Path, file: str, subject: str, what: str) -> pl.DataFrame:
    """Return one truth in the columns of a truth; what has no end lasts for ever, or as long as one may look."""
    table = parquet_frame(folder / f"{file}.parquet")
    ends = [name for name in (f"{what}_until", "erased_from", "unseen_from") if name in table.columns]
    return table.select(
        pl.col(subject).alias("subject"),
        pl.col(f"{what}_from").alias("since"),
        until=pl.min_horizontal(pl.lit(None, INSTANT), *ends),
    )
