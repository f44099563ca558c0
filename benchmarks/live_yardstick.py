"""What a minute of the yardstick costs live: all stages, full decision records, every offer as the reference has it."""

import json
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from benchmarks import measure
from benchmarks.engines import make_events, program
from benchmarks.shard_of_a_stage import Shard
from benchmarks.yardstick import START_MS, Size, checksum
from benchmarks.yardstick_runs import PLAYBOOK, Arrive, arrivals, offer_lines, parser, settings
from schemas.durations import HOUR, MINUTE
from schemas.playbook_file import parse_playbook
from transforms.decide_offers import DecideOffers
from transforms.shell.timers import Backlog
from transforms.track_contexts import TrackContexts

SIZE, SMALLEST = Size("live", 1_260_000, 100_000, 0, ""), Size("live-smallest", 12_600, 1_000, 0, "")
TICKS = {"5m": 20, "1m": 60}
"""The playbook's tick, and the bar: CPU milliseconds a slice."""
HISTORY = 5 * HOUR


def apart(size: Size) -> dict[str, float]:
    """Measure `SIZE` or `SMALLEST` in a process with one thread; see `ms_per_slice`."""
    found: dict[str, float] = measure.apart("benchmarks.live_yardstick", size.name)
    return found


def ms_per_slice(size: Size) -> dict[str, float]:
    """Return CPU milliseconds of a minute's slice by the playbook's tick, after five hours of history.

    Raises:
        ValueError: offers are not those of the reference.
    """
    with tempfile.TemporaryDirectory() as folder:
        events, wanted = make_events(size), Path(folder) / "wanted.csv"
        reference = ("--workers", "1", "--input", str(events), "--output", str(wanted))
        measure.run([sys.executable, program("ref_polars.py"), *reference])
        found = {tick: _play(events, tick, Path(folder) / f"{tick}.csv") for tick in TICKS}
        if checksum(Path(folder) / "5m.csv") != checksum(wanted):
            raise ValueError("offers are not those of the reference")
    return found


def _play(events: Path, tick: str, offers: Path) -> float:
    """Play the events a minute at a time; write the offers."""
    book = parse_playbook(Path(PLAYBOOK).read_text("utf-8").replace("tick: 5m", f"tick: {tick}"), PLAYBOOK)
    backlog = Backlog(START_MS + HISTORY, 25 * MINUTE)
    parse, arrive = parser(book, settings(str(events), "", 1)).stage(), Arrive(str(events))
    parse.setup()
    track = TrackContexts(playbook=book, bounded=False, shards=1, backlog=backlog)
    contexts = Shard(track.stage(), "advance")
    decide = Shard(DecideOffers(playbook=book, bounded=False, backlog=backlog).stage(), "decide")

    def advance(upto: int) -> list[str]:
        for _, triggers in contexts.close(upto):
            decide.come(triggers)
        decisions = list(decide.close(upto))
        return offer_lines(pa.Table.from_batches(decisions)) if decisions else []

    lines, spent, slices = [], 0.0, 0
    for arrival in arrivals(str(events), MINUTE):
        began = time.process_time()
        for block in arrive.process(arrival):
            for _, signals in parse.process(block):
                contexts.come(signals)
        lines += advance(arrival.watermark)
        if arrival.earliest >= START_MS + HISTORY:
            spent, slices = spent + time.process_time() - began, slices + 1
    lines += advance(START_MS + 2 * HISTORY)
    offers.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return 1_000 * spent / slices


if __name__ == "__main__":
    print(json.dumps(ms_per_slice({one.name: one for one in (SIZE, SMALLEST)}[sys.argv[1]])))
