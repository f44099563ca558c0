"""What a live tick costs: a minute's signals of a shard with a week of history, through the stage that holds its state.

python -m benchmarks.live [--shard N ...] [--json] [--without-yardstick]
"""

import argparse
import ctypes
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import live_yardstick, measure, state
from benchmarks.engines import data, make_data
from benchmarks.shard_of_a_stage import Shard
from benchmarks.yardstick import LEAST, SIZES, START_MS, Size
from pipelines.thrift import keep_little_memory
from schemas.durations import DAY, HOUR, MINUTE
from schemas.playbook_file import parse_playbook
from transforms.shell.packed_batch import PackedBatch
from transforms.shell.timers import Backlog
from transforms.track_contexts import TrackContexts

SHARDS = (5_000, 20_000, 50_000)
SMALLEST = (200,)
TICKS = 65
ACTIVE, SMALLEST_ACTIVE = 2_000, 20
MOST_CORE_SECONDS, MOST_AT_THE_HOUR, MOST_CROSSED, MOST_RESIDENT, LEAST_CHEAPER = 5, 5, 4, 12_000, 4
MOST_OF_KNOWN = 1.5
"""The bars: see `LiveCost`."""


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
        resident_bytes_each: What a worker keeps in memory, a subscriber.
        kept_bytes_each: What the runner keeps of it: blob and log.
        of_beam_per_signal: How many times cheaper a signal is than in ordinary Beam Python.
        yardstick_ms_per_slice: CPU milliseconds of a minute of the yardstick, by the playbook's tick; see
            `live_yardstick`.
    """

    shard: int
    rows: int
    core_seconds: float
    hourly: float
    core_seconds_per_million: float
    state_bytes_per_row_byte: float
    resident_bytes_each: float
    kept_bytes_each: float
    of_beam_per_signal: float
    yardstick_ms_per_slice: dict[str, float] = field(default_factory=dict)


def shard_of_subscribers(until: int) -> Shard:
    """Return a shard of the stage of subscribers; what is older than `until` is taken a day at a time."""
    playbook = parse_playbook(f"playbook: live\nsignals: [usage]\n{state.level()}")
    track = TrackContexts(playbook=playbook, bounded=False, shards=1, backlog=Backlog(until, DAY))
    return Shard(track.stage(), "advance")


def packs_of(rows: pa.RecordBatch) -> list[PackedBatch]:
    """Return rows as they travel, nothing for none."""
    return [PackedBatch.of(rows)] if rows.num_rows else []


def tick(shard: Shard, packs: list[PackedBatch], upto: int) -> None:
    """Take packed batches, and advance."""
    for packed in packs:
        shard.come(packed)
    for _ in shard.close(upto):
        pass


def apart(shard: int) -> LiveCost:
    """Measure a shard in a process of its own, whose memory holds nothing else, with one thread."""
    return LiveCost(**measure.apart("benchmarks.live", "--json", "--without-yardstick", "--shard", str(shard)))


@dataclass(frozen=True)
class Played:
    """A shard that has a week behind it.

    Attributes:
        shard: What holds its state.
        rows: Signals a tick, of the last `TICKS` ones.
        seconds: Core seconds of each, and whether it was at the hour.
        crossed_per_row_byte: Bytes through the state API, to those of their rows.
    """

    shard: Shard
    rows: int
    seconds: list[tuple[bool, float]]
    crossed_per_row_byte: float

    @property
    def usual(self) -> float:
        """Median core seconds of a tick that is no hour."""
        return statistics.median(took for hourly, took in self.seconds if not hourly)


def play(subscribers: int, active: int | None = None) -> Played:
    """Play a week in days, then an hour and a little by the minute.

    Args:
        subscribers: How many there are.
        active: How many of them still send after five days, None for all.
    """
    density = replace(state.DENSITIES[1], shard=subscribers)
    end = START_MS + 7 * DAY
    start = end - TICKS * MINUTE
    batch = state.signals(density)
    if active is not None:
        early = pc.less(batch["time"], START_MS + 5 * DAY)
        batch = batch.filter(pc.or_(early, pc.less(batch["subject"], f"s{active:08d}")))
    times = batch["time"].to_numpy()
    shard_of = shard_of_subscribers(start)
    for upto in (*range(START_MS + DAY, start, DAY), start):
        first, stop = np.searchsorted(times, [upto - DAY if upto < start else upto - (upto - START_MS) % DAY, upto])
        tick(shard_of, packs_of(batch.slice(first, stop - first)), upto)
    seconds, crossed, bytes_of_rows = [], shard_of.cells.crossed, 0
    cuts = np.searchsorted(times, range(start, end + 1, MINUTE))
    for (first, stop), upto in zip(pairwise(cuts), range(start + MINUTE, end + 1, MINUTE), strict=True):
        packs = packs_of(batch.slice(first, stop - first))
        bytes_of_rows += sum(len(packed.content) for packed in packs)
        began = time.process_time()
        tick(shard_of, packs, upto)
        seconds.append((upto % HOUR == 0, time.process_time() - began))
    rows = (int(cuts[-1]) - int(cuts[0])) // TICKS
    return Played(shard_of, rows, seconds, (shard_of.cells.crossed - crossed) / bytes_of_rows)


def cost(shard: int) -> LiveCost:
    """Measure a shard."""
    play(SMALLEST[0])  # what the first ticks import is of no shard
    before = _resident()
    played = play(shard)
    kept = played.shard.cells.held
    played.shard.cells.values.clear()  # they are in the runner's memory, or on its disk
    resident = _resident() - before
    usual = played.usual
    return LiveCost(
        shard,
        played.rows,
        usual,
        max((took for hourly, took in played.seconds if hourly), default=usual),
        usual * 1_000_000 / shard,
        played.crossed_per_row_byte,
        resident / shard,
        kept / shard,
        beam_seconds(LEAST if shard in SMALLEST else SIZES[0]) / (usual / played.rows),
    )


def of_known(active: int) -> float:
    """Return what a tick costs among ten times as many known subscribers, of one with the same signals among these."""
    few, many = (play(active * times, active) for times in (1, 10))
    return many.usual / few.usual


@lru_cache(maxsize=1)
def beam_seconds(size: Size) -> float:
    """Return the core seconds of a signal in ordinary Beam Python, start-up left out."""
    make_data(size)
    file = data(size)
    whole = pq.read_table(file)
    with tempfile.TemporaryDirectory() as folder:
        few, out = Path(folder) / "few.parquet", Path(folder) / "offers.csv"
        pq.write_table(whole.slice(0, 1_000), few)
        command = [sys.executable, "-m", "benchmarks.beam_per_element", "--output", str(out), "--input"]
        one, other = (measure.run([*command, str(path)]).core_seconds for path in (few, file))
    return (other - one) / (whole.num_rows - 1_000)


def _resident() -> int:
    """Return the bytes of the process that are in use: what allocators keep at hand for the next call goes back."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


def main() -> None:
    """Measure each shard."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shard", type=int, nargs="+", default=SHARDS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--without-yardstick", action="store_true", help="leave out `yardstick_ms_per_slice`")
    args = parser.parse_args()
    if os.environ.get("POLARS_MAX_THREADS") != "1":  # polars reads it when it is imported
        again = [sys.executable, "-m", "benchmarks.live", *sys.argv[1:]]
        sys.exit(subprocess.run(again, env=measure.ONE_THREAD, check=False).returncode)
    keep_little_memory()
    yardstick = {} if args.without_yardstick else live_yardstick.apart(live_yardstick.SIZE)
    for found in (replace(cost(shard), yardstick_ms_per_slice=yardstick) for shard in args.shard):
        print(json.dumps(asdict(found)) if args.json else found)


if __name__ == "__main__":
    main()
