"""Whom it is worth to ask `segone explain` about, after a run."""

import shlex
from pathlib import Path

import polars as pl

from pipelines.output_files import parquet_scan
from schemas.playbook_levels import LEVELS
from schemas.visible import visible

MOST = 3

_SUBJECT = ["subject_kind", "subject"]


def worth_explaining(out: str) -> list[str]:
    """Return lines with commands that explain up to three subjects: who got the most frequent offers, then others.

    Args:
        out: The outputs of a run; without its Parquet files there is nothing to explain.
    """
    files = [Path(out) / f"{name}.parquet" for name in ("decisions", "transitions", "contexts")]
    if not all(file.is_file() for file in files):
        return []
    decisions, *others = (parquet_scan(file) for file in files)
    offers = decisions.filter(pl.col("action") == "offer").sort(
        pl.len().over("offer"), "offer", "tick", *_SUBJECT, descending=[True, *[False] * 4]
    )
    firsts = offers.unique(["offer"], keep="first", maintain_order=True).select(_SUBJECT)
    rest = [rows.select(_SUBJECT).head(MOST * 10) for rows in (decisions, *others)]
    found = pl.concat([firsts, *rest]).unique(maintain_order=True).head(MOST).collect()
    commands = [f"  segone explain {shlex.quote(out)} {shlex.quote(_named(*row))}" for row in found.iter_rows()]
    return ["ask about", *commands] if commands else []


def _named(kind: str, name: str) -> str:
    """Return a subject as it is given: a subscriber by its id alone, unless that is taken for something else."""
    alone = kind == LEVELS[0] and not name.startswith(("-", *(f"{level}/" for level in LEVELS)))
    return visible(name if alone else f"{kind}/{name}")
