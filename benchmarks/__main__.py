"""Measure everything on this machine in one run and write `benchmarks/results.md`: `make bench`.

python -m benchmarks [--times 3] [--sizes tiny,small,half,main] [--soak MINUTES] [--without-streams]
    [--smallest] [--results FILE]
"""

import argparse
from pathlib import Path

from rich.console import Console

from benchmarks import (
    compare,
    decisions,
    kernel,
    live,
    live_yardstick,
    results,
    state,
    state_of_households,
    wide_playbook,
)
from benchmarks.engines import HERE
from benchmarks.streams.section import smallest, streams
from benchmarks.yardstick import LEAST, SIZES


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="how often each program runs; the median counts")
    parser.add_argument("--sizes", default=",".join(size.name for size in SIZES), help="which sizes, by name")
    parser.add_argument("--soak", type=float, help="minutes that a stream is soaked, too; by default it is not")
    parser.add_argument("--without-streams", action="store_true", help="what needs neither engines nor brokers")
    parser.add_argument("--smallest", action="store_true", help="everything once, as small as it goes: does it run?")
    parser.add_argument("--results", type=Path, default=HERE / "results.md", help="the file to write")
    return parser.parse_args()


def main() -> None:
    """Run it."""
    args, console = arguments(), Console()
    sizes = [LEAST] if args.smallest else [size for size in SIZES if size.name in args.sizes.split(",")]
    times, densities = (1, state.SMALLEST) if args.smallest else (args.times, state.DENSITIES)
    rows = compare.compare(sizes, times, console)
    kernels = kernel.compare(sizes[-1], times)
    states = [state.cost(density) for density in densities]
    stages = state_of_households.cost(densities[0])
    wide = wide_playbook.cost(wide_playbook.SMALLEST if args.smallest else wide_playbook.MAIN)
    lives = [live.apart(shard) for shard in (live.SMALLEST if args.smallest else live.SHARDS)]
    slices = live_yardstick.apart(live_yardstick.SMALLEST if args.smallest else live_yardstick.SIZE)
    of_known = live.of_known(live.SMALLEST_ACTIVE if args.smallest else live.ACTIVE)
    decided = decisions.apart(decisions.SMALLEST if args.smallest else decisions.MAIN)
    streamed = () if args.without_streams else smallest() if args.smallest else streams(args.soak)
    measured = results.Measurements(rows, kernels, states, stages, wide, lives, slices, of_known, decided, streamed)
    args.results.write_text(results.markdown(measured), encoding="utf-8")
    results.show(rows, results.bars(measured), console)


if __name__ == "__main__":
    main()
