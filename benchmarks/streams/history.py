"""What a stream that has run for long knows: a cut of a history that ends now, from which a stream goes on."""

import sys
from pathlib import Path

import polars as pl

from benchmarks import measure
from benchmarks.engines import make_events
from benchmarks.streams.runs import SOURCES, now
from benchmarks.yardstick import Size
from pipelines.shards import shards_of_machine

FASTER = 60
"""How many times as fast as the yardstick: its six hours in six minutes, as `live_offers.yaml` has its windows."""


def cut_of_history(size: Size, playbook: Path, folder: Path, state: Path) -> None:
    """Run over the events of a size as if the last had come just now, and leave a cut.

    Args:
        size: Whose events.
        playbook: That of the stream.
        folder: For what is written.
        state: Where the cut goes.
    """
    events, history = pl.read_parquet(make_events(size)), folder / "history.parquet"
    ago = (pl.col("event_time").max() - pl.col("event_time")) // FASTER
    events.with_columns(event_time=now() - ago).write_parquet(history)
    files = ["--sources", SOURCES, "--signals", f"usage={history}", "--out", str(folder / "history")]
    cut = ["--state-out", str(state), "--shards", str(shards_of_machine())]
    measure.run([sys.executable, "-m", "pipelines", "run", str(playbook), *files, *cut])
