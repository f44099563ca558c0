"""What a live tick costs: a minute's signals of a shard with a week of history, through the stage that holds its state.

python -m benchmarks.live [--shard N ...] [--json]
"""

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import measure, state
from benchmarks.engines import data, make_data
from benchmarks.yardstick import SIZES, START_MS
from pipelines.thrift import keep_little_memory
from schemas.durations import DAY, HOUR, MINUTE
from schemas.playbook_file import parse_playbook
from schemas.versions import Versions
from transforms.compiler.features import SUBSCRIBER
from transforms.shell.context_stage import Tracked, track_subscribers
from transforms.shell.packed_batch import PackedBatch
from transforms.shell.timers import Backlog, TickTimer

SHARDS = (5_000, 20_000, 50_000)
SMALLEST = (200,)
TICKS = 65
MOST_CORE_SECONDS, MOST_AT_THE_HOUR, MOST_CROSSED, MOST_RESIDENT, LEAST_CHEAPER = 5, 5, 4, 12_000, 4
"""The bars: see `LiveCost`."""


@dataclass
class Cells:
    """The state of one key as Beam keeps it, with a count of the bytes that cross.

    Attributes:
        values: By name.
        crossed: Bytes read and written.
    """

    values: dict[str, Any] = field(default_factory=dict)
    crossed: int = 0

    def cell(self, name: str) -> "_Cell":
        """Return a cell by name."""
        return _Cell(self, name)


@dataclass
class _Cell:
    cells: Cells
    name: str

    def read(self) -> Any:
        if self.name != "log":
            self.cells.crossed += _size(self.cells.values.get(self.name))
            return self.cells.values.get(self.name)
        packs: list[PackedBatch] = self.cells.values.get(self.name, [])
        self.cells.crossed += sum(_size(packed) for packed in packs)
        return packs

    def write(self, value: Any) -> None:
        self.cells.crossed += _size(value)
        self.cells.values[self.name] = value

    def add(self, packed: PackedBatch) -> None:
        self.cells.crossed += _size(packed)
        self.cells.values.setdefault(self.name, []).append(packed)

    def set(self, timestamp: Any) -> None:
        self.cells.values[self.name] = timestamp

    def clear(self) -> None:
        self.cells.values.pop(self.name, None)


def _size(value: Any) -> int:
    packed = value.content if isinstance(value, PackedBatch) else value
    return len(packed) if isinstance(packed, bytes) else 8 * (value is not None)


@dataclass(frozen=True)
class LiveCost:
    """What live ticks of one shard cost.

    Attributes:
        shard: Subscribers.
        rows: Signals a tick.
        core_seconds: Median of a tick that is no hour.
        hourly: Of the tick at the hour.
        core_seconds_per_million: Of a tick of a million subscribers.
        state_bytes_per_row_byte: Bytes that cross the state API in an hour, to the bytes of its rows.
        resident_bytes_each: What stays in memory, a subscriber.
        of_beam_per_signal: How many times cheaper a signal is than in ordinary Beam Python.
    """

    shard: int
    rows: int
    core_seconds: float
    hourly: float
    core_seconds_per_million: float
    state_bytes_per_row_byte: float
    resident_bytes_each: float
    of_beam_per_signal: float


class Stage:
    """The stage of subscribers, with the state of one shard."""

    def __init__(self, until: int) -> None:
        """Start without signals; what is older than `until` is taken a day at a time."""
        playbook = parse_playbook(f"playbook: live\nsignals: [usage]\n{state.level()}")
        tracked = Tracked(Versions((playbook,)), (SUBSCRIBER,))
        self._stage = track_subscribers(tracked, TickTimer("track_subscribers", False, Backlog(until, DAY)))
        self._stage.setup()
        self.cells = Cells()
        log, cell, wake, timer = (self.cells.cell(name) for name in ("log", "cell", "wake", "timer"))
        self._process = {"log": log, "cell": cell, "wake": wake, "timer": timer}
        self._advance = {"shard": 0, "state": self.cells.cell("state"), **self._process}

    def tick(self, packed: PackedBatch, upto: int) -> None:
        """Take a packed batch, then let the timer fire as long as it is due."""
        self._stage.process((0, packed), **self._process)
        while "timer" in self.cells.values and self.cells.values["timer"].micros <= (upto + 1) * 1000:
            fired = self.cells.values.pop("timer")
            for _ in self._stage.advance(fired, **self._advance):
                pass


def apart(shard: int) -> LiveCost:
    """Measure a shard in a process of its own, whose memory holds nothing else."""
    command = [sys.executable, "-m", "benchmarks.live", "--json", "--shard", str(shard)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return LiveCost(**json.loads(done.stdout))


def cost(shard: int) -> LiveCost:
    """Play a week in days, then an hour and a little by the minute."""
    density = replace(state.DENSITIES[1], shard=shard)
    end = START_MS + 7 * DAY
    batch = state.signals(density)
    times = batch["time"].to_numpy()
    before, start = _resident(), end - TICKS * MINUTE
    stage = Stage(start)
    for upto in (*range(START_MS + DAY, start, DAY), start):
        first, stop = np.searchsorted(times, [upto - DAY if upto < start else upto - (upto - START_MS) % DAY, upto])
        stage.tick(PackedBatch.of(batch.slice(first, stop - first)), upto)
    seconds, crossed, bytes_of_rows = [], stage.cells.crossed, 0
    cuts = np.searchsorted(times, range(start, end + 1, MINUTE))
    for (first, stop), upto in zip(pairwise(cuts), range(start + MINUTE, end + 1, MINUTE), strict=True):
        packed = PackedBatch.of(batch.slice(first, stop - first))
        bytes_of_rows += len(packed.content)
        began = time.process_time()
        stage.tick(packed, upto)
        seconds.append((upto % HOUR == 0, time.process_time() - began))
    usual = statistics.median(took for hourly, took in seconds if not hourly)
    rows = (int(cuts[-1]) - int(cuts[0])) // TICKS
    del batch, times
    return LiveCost(
        shard,
        rows,
        usual,
        max((took for hourly, took in seconds if hourly), default=usual),
        usual * 1_000_000 / shard,
        (stage.cells.crossed - crossed) / bytes_of_rows,
        (_resident() - before) / shard,
        beam_seconds() / (usual / rows),
    )


@lru_cache(maxsize=1)
def beam_seconds() -> float:
    """Return the core seconds of a signal in ordinary Beam Python, start-up left out."""
    make_data(SIZES[0])
    file = data(SIZES[0])
    whole = pq.read_table(file)
    with tempfile.TemporaryDirectory() as folder:
        few, out = Path(folder) / "few.parquet", Path(folder) / "offers.csv"
        pq.write_table(whole.slice(0, 1_000), few)
        command = [sys.executable, "-m", "benchmarks.beam_per_element", "--output", str(out), "--input"]
        one, other = (measure.run([*command, str(path)]).core_seconds for path in (few, file))
    return (other - one) / (whole.num_rows - 1_000)


def _resident() -> int:
    gc.collect()
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


def main() -> None:
    """Measure each shard."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shard", type=int, nargs="+", default=SHARDS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    keep_little_memory()
    for found in map(cost, args.shard):
        print(json.dumps(asdict(found)) if args.json else found)


if __name__ == "__main__":
    main()
