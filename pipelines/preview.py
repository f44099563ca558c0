"""What a playbook would have done with history: sizes, samples, offers by day, and how far each offer came."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from pipelines.output_files import parquet_frame
from pipelines.summary import of_level, summary, table
from schemas.versions import Versions
from schemas.visible import visible

SAMPLES = 10


def preview_of(versions: Versions, out: str) -> str:
    """Return a preview as text, from the Parquet files of a run.

    Args:
        versions: The playbook of the run; what never happened is told too.
        out: The run's outputs.
    """
    columns = ["subject_kind", "subject", "tick", "name", "event"]
    transitions = parquet_frame(f"{out}/transitions.parquet", columns=columns).with_columns(of_level())
    decisions = parquet_frame(f"{out}/decisions.parquet", columns=["decision_id", "offer", "candidates"])
    levels = [pair for book in versions.playbooks for pair in book.levels.items()]
    names = list(dict.fromkeys((kind, name) for kind, level in levels for name in (*level.segments, *level.moments)))
    offers = {offer for book in versions.playbooks for offer in book.offers}
    shown = pl.DataFrame(names, {"subject_kind": pl.String, "name": pl.String}, orient="row").select(of_level())["name"]
    return "\n".join([summary(Path(out)), samples(shown, transitions), funnel(offers, decisions)])


def samples(names: Iterable[str], transitions: pl.DataFrame) -> str:
    """Return, for each segment and moment, up to ten of the subjects that entered or had it, evenly spread."""
    started = transitions.filter(pl.col("event").is_in(["entered", "fired"]))
    lines = (f"  {name}: {_spread(started.filter(pl.col('name') == name))}" for name in names)
    return "\n".join(["samples: subjects, and when first", *lines]) + "\n"


def _spread(events: pl.DataFrame) -> str:
    firsts = events.group_by("subject").agg(pl.col("tick").min()).sort("subject")
    size = min(SAMPLES, len(firsts))
    chosen = firsts[[n * len(firsts) // size for n in range(size)]]
    when = pl.col("tick").dt.strftime("%Y-%m-%d %H:%M")
    shown = chosen.select(pl.format("{} ({})", "subject", when))
    return ", ".join(map(visible, shown.to_series())) or "nobody"


def funnel(offers: Iterable[str], decisions: pl.DataFrame) -> str:
    """Return, for each offer, for how many triggers it was a candidate, passed each gate on some channel, and was sent.

    Args:
        offers: All offers of the playbook.
        decisions: decision_id, offer (what was sent), candidates.
    """
    candidates = decisions.select("decision_id", sent="offer", candidate="candidates").explode("candidate")
    candidates = candidates.drop_nulls("candidate").unnest("candidate")
    passed = pl.col("gates").list.eval((pl.element().struct.field("result") == "passed").cast(pl.Int64).cum_prod())
    far = candidates.group_by("offer", "decision_id").agg(
        (pl.col("sent") == pl.col("offer")).any(), passed=passed.list.sum().max()
    )
    gates = candidates["gates"].explode().struct.field("gate").unique(maintain_order=True).to_list()
    counts = [
        pl.len(),
        *((pl.col("passed") > n).sum().alias(gate) for n, gate in enumerate(gates)),
        pl.col("sent").sum(),
    ]
    found = {row[0]: row[1:] for row in far.group_by("offer").agg(counts).iter_rows()}
    rows = ((offer, *found.get(offer, (0,) * len(counts))) for offer in sorted(offers))
    return table(("triggers for", "candidate", *(f"past {gate}" for gate in gates), "sent"), rows) + "\n"
