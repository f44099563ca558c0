"""What runs the yardstick, and the data that it runs on."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks import measure
from benchmarks.yardstick import LEAST, Size

HERE = Path(__file__).parent
DATA = HERE / "data"
SHARED = Path(os.environ.get("SEGONE_SHARED", HERE.parents[1] / "shared"))


@dataclass(frozen=True)
class Engine:
    """A program that takes `--input FILE.parquet --output OFFERS.csv`.

    Attributes:
        name: What it is called in the results.
        program: The command before these flags.
        sizes: The sizes that it is measured on, besides the least.
        once: Names of the sizes that it runs once, because it takes minutes.
        grouped: Whether it is told who lives together, by `--households FILE.parquet`.
    """

    name: str
    program: Sequence[str]
    sizes: Sequence[str] = ("tiny", "small", "half", "main")
    once: Sequence[str] = ()
    grouped: bool = False

    def takes(self, size: Size) -> bool:
        """Tell whether it is measured on a size."""
        return size == LEAST or size.name in self.sizes

    def command(self, size: Size, output: Path) -> list[str]:
        """Return the whole command for one size."""
        grouped = ["--households", str(households(size))] if self.grouped else []
        return [sys.executable, *self.program, "--input", str(data(size)), "--output", str(output), *grouped]


def program(name: str) -> str:
    """Return the path of a program of the shared workload.

    Raises:
        FileNotFoundError: it is not there.
    """
    path = SHARED / "workload" / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: set SEGONE_SHARED to the folder that holds workload/{name}")
    return str(path)


def engines() -> tuple[Engine, ...]:
    """Return all engines.

    Raises:
        FileNotFoundError: a reference program is missing.
    """
    ours, three = ("-m", "benchmarks.usage_offers"), ("tiny", "small", "main")
    tick_by_tick = ("--mode", "stream", "--span", "5m", "--shards", "1")
    return (
        Engine("ours, batch", ours),
        Engine("ours, stream", (*ours, "--mode", "stream"), three),
        Engine("ours, stream, tick by tick", (*ours, *tick_by_tick), ("tiny", "main")),
        Engine("ours, batch, households", ours, ("tiny", "main"), grouped=True),
        Engine("polars, 1 thread", (program("ref_polars.py"), "--workers", "1")),
        Engine("DuckDB, 1 thread", (program("ref_duckdb.py"), "--workers", "1")),
        Engine("ordinary Beam", ("-m", "benchmarks.beam_per_element"), ("tiny", "small"), ("small",)),
    )


def data(size: Size) -> Path:
    """Return the file of a size."""
    return DATA / f"{size.name}.parquet"


def households(size: Size) -> Path:
    """Return the file that says who lives together in a size."""
    return DATA / f"{size.name}-households.parquet"


def make_events(size: Size) -> Path:
    """Make the file of a size, if it is not there; return it."""
    if not data(size).exists():
        part = DATA / f"part-{size.name}"
        counts = ("--events", str(size.events), "--subscribers", str(size.subscribers))
        flags = (*counts, "--formats", "parquet", "--out", str(part))
        measure.run([sys.executable, program("gen.py"), *flags])
        part.with_suffix(".parquet").rename(data(size))
    return data(size)


def make_data(size: Size) -> None:
    """Make the files of a size, if they are not there."""
    make_events(size)
    pairs = pl.scan_parquet(data(size)).select(subject="subscriber_id", group="household_id").unique().sort("subject")
    said = {"time": 0, "source": "yardstick", "group_kind": "household", "state": "joined"}
    members = pairs.with_columns(id="subject", **{name: pl.lit(value) for name, value in said.items()})
    members.collect().write_parquet(households(size))
