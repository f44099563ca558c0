"""How large the state of subscribers is, and what a tick costs: 20 features over four windows, one shard measured.

python -m benchmarks.state
"""

import json
import statistics
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa

from benchmarks.yardstick import START_MS
from schemas.playbook_file import parse_playbook
from transforms.blobs.table_blob import sizes
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.load import load_plan
from transforms.context.advance import advance
from transforms.context.state.shard_state import KIND

HOUR, MINUTE = 3_600_000, 60_000
SUBSCRIBERS = 1_000_000
STEPS, TICKS = 6, 5
APPS = 22
MEASURES = {
    "n": "count: any",
    "sum_bytes": "sum: bytes",
    "max_bytes": "max: bytes",
    "sum_seconds": "sum: seconds",
    "n_apps": "distinct: app",
}
WINDOWS = ("5m", "1h", "24h", "7d")


@dataclass(frozen=True)
class Density:
    """How much subscribers do: some signals each, spread over some hours; and the shard that is measured."""

    name: str
    signals: int
    hours: int
    shard: int
    most_bytes: int


DENSITIES = (
    Density("20 signals in 6 h", 20, 6, 50_000, 1_500),
    Density("50 signals a day for 7 d", 350, 168, 5_000, 5_000),
)
SMALLEST = tuple(replace(density, shard=100) for density in DENSITIES)


@dataclass(frozen=True)
class StateCost:
    """What one shard costs.

    Attributes:
        density: Name of the density.
        shard: Subscribers of the shard.
        bytes_each: Bytes of state a subscriber, compressed.
        most_bytes: The bar.
        tables: Of these, bytes by table.
        rows: Signals of a tick of one minute.
        seconds: Median seconds of a tick: state decoded, advanced with its signals, encoded.
        hourly: Seconds of the tick at an hour, which compacts old rows.
    """

    density: str
    shard: int
    bytes_each: float
    most_bytes: int
    tables: dict[str, float]
    rows: int
    seconds: float
    hourly: float

    @property
    def gigabytes(self) -> float:
        """State of a million subscribers."""
        return self.bytes_each * SUBSCRIBERS / 1e9

    @property
    def core_seconds(self) -> float:
        """Seconds of one core that a tick of a million subscribers takes."""
        return self.seconds * SUBSCRIBERS / self.shard


def level() -> str:
    """Return a playbook's section of the 20 features and a moment that reads some."""
    features = {
        f"{name}_{window}": f"{{{aggregate}, from: usage, window: {window}}}"
        for window in WINDOWS
        for name, aggregate in MEASURES.items()
    }
    lines = "".join(f"    {name}: {feature}\n" for name, feature in features.items())
    moment = "    surge: {when: sum_bytes_5m > 40000000 AND sum_bytes_5m > sum_bytes_24h / 2}\n"
    return f"subscriber:\n  features:\n{lines}  moments:\n{moment}"


def plan() -> ContextPlan:
    """Return the plan of the subscribers alone."""
    return load_plan(parse_playbook(f"playbook: state\nsignals: [usage]\n{level()}"))


def signals(density: Density, seed: int = 7) -> pa.RecordBatch:
    """Return the usage of a shard in order of time, spread evenly; bytes and seconds as the yardstick's."""
    rng, rows = np.random.default_rng(seed), density.signals * density.shard
    names = pa.array([f"s{number:08d}" for number in range(density.shard)])
    apps = pa.array([f"app{number:02d}" for number in range(APPS)])
    columns = {
        "id": pa.array(rng.integers(0, 2**62, rows)).cast(pa.string()),
        "source": pa.array(["yardstick"]).take(pa.array(np.zeros(rows, np.int64))),
        "time": pa.array(np.sort(START_MS + rng.integers(0, density.hours * HOUR, rows))),
        "subject": names.take(pa.array(rng.integers(0, density.shard, rows))),
        "app": apps.take(pa.array(rng.integers(0, APPS, rows))),
        "bytes": pa.array(np.minimum(rng.lognormal(np.log(2e6), 1.8, rows), 2e9).astype(np.int64)),
        "seconds": pa.array(rng.exponential(60, rows).astype(np.int64)),
    }
    batch = pa.RecordBatch.from_pydict(columns)
    return batch.replace_schema_metadata({b"signal": b"usage", b"subject_kind": b"subscriber"})


def cost(density: Density) -> StateCost:
    """Build the state of a shard in a few steps, then advance it by single ticks; the last is at an hour."""
    kernel, batch = plan(), signals(density)
    end = START_MS + density.hours * HOUR
    step = density.hours * HOUR // STEPS
    ends = [*range(START_MS + step, end, step), *range(end - TICKS * MINUTE, end + 1, MINUTE)]
    cuts = np.searchsorted(batch["time"].to_numpy(), ends)
    state, seconds = None, []
    for (first, stop), upto in zip(pairwise([0, *cuts.tolist()]), ends, strict=True):
        start = time.perf_counter()
        state = advance(kernel, state, [batch.slice(first, stop - first)], upto).dump()
        seconds.append(time.perf_counter() - start)
    assert state is not None
    rows = int(cuts[-1] - cuts[-1 - TICKS]) // TICKS
    tables = {name: size / density.shard for name, size in tables_of(state).items()}
    each = len(state) / density.shard
    ticks = seconds[-TICKS:]
    return StateCost(
        density.name, density.shard, each, density.most_bytes, tables, rows, statistics.median(ticks), ticks[-1]
    )


def tables_of(state: bytes) -> dict[str, int]:
    """Return the bytes of a state by kind of table."""
    found: dict[str, int] = defaultdict(int)
    for name, size in sizes(KIND, state).items():
        found[name.partition(" ")[0]] += size
    return dict(found)


def main() -> None:
    """Measure both densities."""
    for density in DENSITIES:
        print(json.dumps(asdict(cost(density))))


if __name__ == "__main__":
    main()
