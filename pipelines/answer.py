"""What the simulated town answers to the offers of a run: signals that the next run takes in."""

import json
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.failures import outputs_needed
from pipelines.output_files import parquet_frame
from pipelines.simulation.acceptance import chances
from pipelines.simulation.answers import answers_to
from pipelines.simulation.files import METADATA, FileFormat, SignalFile
from pipelines.simulation.place import ABOUT, check_place, new_folder
from pipelines.summary import table
from schemas.visible import visible
from transforms.decision.candidates import MICROS


def answer(run: Path, town: Path, out_dir: Path, *, file_format: FileFormat = "parquet") -> str:
    """Write `contact` and `outcome` signals about the offers of a run, in place of earlier ones; tell what happened.

    The same offer is answered in the same way, in whatever run. Nothing happens after the end of the town.

    Args:
        run: The outputs of a run over the town, offers in Parquet among them.
        town: What `simulate` wrote.
        out_dir: Where the signals go: a folder that does not exist, is empty, or holds earlier answers.
        file_format: Of the signals.

    Raises:
        NoOutputsError: There are no offers in Parquet in `run`.
        FileNotFoundError: `town` is no simulated town.
        FileExistsError: `out_dir` holds anything else.
    """
    check_place(out_dir, replace=True)
    offers, about = _offers(run), _about(town)
    traits, acceptance = (parquet_frame(town / "truth" / f"{name}.parquet") for name in ("traits", "acceptance"))
    end = round(datetime.fromisoformat(about["end"]).timestamp() * 1000)
    expected = chances(offers, traits, acceptance)
    instants = offers.with_columns(pl.col("tick", "valid_until", "withdrawn").dt.epoch("ms"))
    found = answers_to(instants, expected, about["seed"], end)
    with new_folder(out_dir, replace=True) as partial:
        for name, signals in found.items():
            with closing(SignalFile(partial, name, file_format)) as file:
                file.write(signals)
        counts = {name: len(signals) for name, signals in found.items()}
        written = {**METADATA, "simulated": True, "seed": about["seed"], "signals": counts}
        (partial / ABOUT).write_text(json.dumps(written, indent=2) + "\n", "utf-8")
    return _told(out_dir, offers.hstack(expected), found)


def _about(town: Path) -> dict[str, Any]:
    """Return what a simulated town says of itself."""
    file = town / ABOUT
    if not file.is_file() or not (town / "truth" / "acceptance.parquet").is_file():
        raise FileNotFoundError(f"{visible(town)} is no simulated town: name what `segone simulate` or `demo` wrote")
    about: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return about


def _offers(run: Path) -> pl.DataFrame:
    """Return the offers of a run: decision_id, recipient, offer, family, message, channel, and instants."""
    with outputs_needed(str(run)):
        events = parquet_frame(run / "offers.parquet", columns=["id", "type", "time", "data"])
    data = [pl.col("data").struct.field(name) for name in ("recipient", "offer", "family", "message", "channel")]
    made, gone = (events.filter(pl.col("type") == f"offer.{what}") for what in ("made", "withdrawn"))
    offers = made.select(*data, pl.col("data").struct.field("valid_until"), decision_id="id", tick=pl.col("time"))
    withdrawn = gone.group_by("id").agg(withdrawn=pl.col("time").min())
    return offers.join(withdrawn, left_on="decision_id", right_on="id", how="left").sort("tick", "decision_id")


def _in_tenths(micros: float) -> str:
    return f"{micros / MICROS:.1f}"


def _told(out_dir: Path, offers: pl.DataFrame, found: Mapping[str, pl.DataFrame]) -> str:
    """Return lines about answers: how many of each offer reached whom, and what was said, beside what is true."""
    reached = found["contact"].filter(pl.col("state") == "delivered").select("decision_id", reached=pl.lit(1))
    said = found["outcome"].filter(pl.col("result") != "fulfilled").select("decision_id", "result")
    rows = offers.join(reached, on="decision_id", how="left").join(said, on="decision_id", how="left")
    results = ("accepted", "rejected", "ignored")
    counts = rows.group_by("offer").agg(
        pl.len(),
        pl.col("reached").sum(),
        *((pl.col("result") == name).sum().alias(name) for name in results),
        expected=pl.when(pl.col("reached").is_not_null()).then((pl.col("p_accept") * MICROS).round()).sum(),
    )
    lines = counts.sort("offer").with_columns(pl.col("expected").map_elements(_in_tenths, pl.String))
    total = ", ".join(f"{len(signals):,} {name}" for name, signals in found.items())
    heads = ("offer", "made", "reached", *results, "to be expected")
    return (
        f"Answers to {len(offers):,} offers in {visible(out_dir)}: {total} signals. Nothing in it is real.\n\n"
        f"{table(heads, lines.iter_rows())}\n"
    )
