"""Whole programs on the yardstick, side by side, every answer checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks import measure
from benchmarks.engines import DATA, Engine, engines, make_data
from benchmarks.measure import Measured
from benchmarks.yardstick import Size, checksum


@dataclass(frozen=True)
class Row:
    """What one engine cost on one size: the median of its runs."""

    engine: str
    size: Size
    runs: int
    cost: Measured

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.size.events / self.cost.seconds


def compare(sizes: Sequence[Size], times: int, console: Console) -> list[Row]:
    """Run every engine on every size, in rounds, so that a slow minute of the machine meets all of them.

    Raises:
        RuntimeError: a program failed, or its answer is wrong.
    """
    every = engines()
    DATA.mkdir(exist_ok=True)
    rows = []
    for size in sizes:
        make_data(size)
        measured: dict[str, list[Measured]] = {engine.name: [] for engine in every if engine.takes(size)}
        for turn in range(times):
            for engine in every:
                if engine.name in measured and not (turn and size.name in engine.once):
                    cost = _checked(engine, size)
                    measured[engine.name].append(cost)
                    console.print(f"{size.name}, {engine.name}: {cost.seconds:.2f} s, {cost.megabytes:.0f} MB")
        rows += [Row(name, size, len(runs), measure.middle(runs)) for name, runs in measured.items()]
    return rows


def _checked(engine: Engine, size: Size) -> Measured:
    with TemporaryDirectory() as folder:
        output = Path(folder) / "offers.csv"
        cost = measure.run(engine.command(size, output))
        found = checksum(output)
    if found != (size.offers, size.checksum):
        raise RuntimeError(f"{engine.name} on {size.name}: {found} is not {(size.offers, size.checksum)}")
    return cost
