"""Measure everything on this machine in one run and write `benchmarks/results.md`: `make bench`.

python -m benchmarks [--times 3] [--sizes tiny,small,half,main]
"""

import argparse

from rich.console import Console

from benchmarks import compare, kernel, results, state, state_of_households
from benchmarks.engines import HERE
from benchmarks.yardstick import SIZES


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="how often each program runs; the median counts")
    parser.add_argument("--sizes", default=",".join(size.name for size in SIZES), help="which sizes, by name")
    args = parser.parse_args()
    console, wanted = Console(), args.sizes.split(",")
    sizes = [size for size in SIZES if size.name in wanted]
    rows = compare.compare(sizes, args.times, console)
    kernels = kernel.compare(sizes[-1], args.times)
    states = [state.cost(density) for density in state.DENSITIES]
    stages = state_of_households.cost()
    text = results.markdown(rows, kernels, states, stages)
    (HERE / "results.md").write_text(text, encoding="utf-8")
    results.show(rows, results.bars(rows, kernels, states, stages), console)


if __name__ == "__main__":
    main()
