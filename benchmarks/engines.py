"""What runs the yardstick, and the data that it runs on."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure
from benchmarks.yardstick import Size

HERE = Path(__file__).parent
DATA = HERE / "data"
SHARED = Path(os.environ.get("SEGONE_SHARED", HERE.parents[1] / "shared"))


@dataclass(frozen=True)
class Engine:
    """A program that takes `--input FILE.parquet --output OFFERS.csv`.

    Attributes:
        name: What it is called in the results.
        program: The command before these flags.
        sizes: The sizes that it is measured on.
        once: Names of the sizes that it runs once, because it takes minutes.
    """

    name: str
    program: Sequence[str]
    sizes: Sequence[str] = ("tiny", "small", "half", "main")
    once: Sequence[str] = ()

    def command(self, size: Size, output: Path) -> list[str]:
        """Return the whole command for one size."""
        return [sys.executable, *self.program, "--input", str(data(size)), "--output", str(output)]


def _shared(program: str) -> str:
    path = SHARED / "workload" / program
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: set SEGONE_SHARED to the folder that holds workload/{program}")
    return str(path)


def engines() -> tuple[Engine, ...]:
    """Return all engines.

    Raises:
        FileNotFoundError: a reference program is missing.
    """
    ours, three = ("-m", "benchmarks.usage_offers"), ("tiny", "small", "main")
    return (
        Engine("ours, batch", ours),
        Engine("ours, stream", (*ours, "--mode", "stream"), three),
        Engine("polars, 1 thread", (_shared("ref_polars.py"), "--workers", "1")),
        Engine("DuckDB, 1 thread", (_shared("ref_duckdb.py"), "--workers", "1")),
        Engine("ordinary Beam", ("-m", "benchmarks.beam_per_element"), ("tiny", "small"), ("small",)),
    )


def data(size: Size) -> Path:
    """Return the file of a size."""
    return DATA / f"{size.name}.parquet"


def make_data(size: Size) -> None:
    """Make the file of a size, if it is not there."""
    if not data(size).exists():
        part = DATA / f"part-{size.name}"
        counts = ("--events", str(size.events), "--subscribers", str(size.subscribers))
        flags = (*counts, "--formats", "parquet", "--out", str(part))
        measure.run([sys.executable, _shared("gen.py"), *flags])
        part.with_suffix(".parquet").rename(data(size))
