"""Measure a stream and print what was found, a JSON object a broker and engine.

python -m benchmarks.streams rate|latency|soak|burst [--broker kafka|pubsub] [--engine prism|flink] [--rate N]
    [--minutes N] [--without-cuts] [--smallest] [--json]
"""

import argparse
import json
from dataclasses import asdict

from benchmarks.streams import brokers
from benchmarks.streams.bars import Found, bars_of
from benchmarks.streams.burst import Burst, burst
from benchmarks.streams.latency import Latency, latency
from benchmarks.streams.live import MAIN, Live, live, place
from benchmarks.streams.rate import SIZES, Rate, ramp, rate
from benchmarks.streams.section import smallest
from benchmarks.streams.soak import MINUTES, Soak, soak


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("what", choices=("rate", "latency", "soak", "burst"))
    parser.add_argument("--broker", choices=brokers.NAMES, default="kafka")
    parser.add_argument("--engine", choices=("prism", "flink"), default="prism")
    parser.add_argument("--rate", type=float, help="signals a second, instead of half of what can be sustained")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of a soak; by default 20")
    parser.add_argument("--without-cuts", action="store_true", help="a soak without --state-out")
    parser.add_argument("--smallest", action="store_true", help="as small as it goes: does it run?")
    parser.add_argument("--json", action="store_true", help="the object alone, without the bars")
    return parser.parse_args()


def measured(args: argparse.Namespace) -> Found:
    """Measure what is asked for."""
    if args.smallest:
        found = {Rate: "rate", Latency: "latency", Soak: "soak", Burst: "burst"}
        return next(one for one in smallest(args.broker, args.engine) if found[type(one)] == args.what)
    cuts = args.what == "soak" and not args.without_cuts
    with place(args.broker, args.engine) as (broker, cluster, folder):
        with live(broker, args.engine, cluster, folder / "live", MAIN, cuts=cuts) as warm:
            if args.what == "rate":
                sustained = ramp(warm)
            else:
                usual = args.rate or ramp(warm).signals_per_second / 2
                return _at(args, warm, usual)
        return rate(broker, args.engine, cluster, folder, SIZES[args.broker], sustained)


def _at(args: argparse.Namespace, warm: Live, usual: float) -> Found:
    """Measure what is asked for at a rate."""
    if args.what == "latency":
        return latency(warm, usual)
    return burst(warm, usual) if args.what == "burst" else soak(warm, usual, args.minutes)


def main() -> None:
    """Run it."""
    args = arguments()
    found = measured(args)
    print(json.dumps(asdict(found), indent=None if args.json else 1))
    for bar in () if args.json else bars_of(found):
        print(f"{'met   ' if bar.met else 'missed'} {bar.what}: {bar.found} (wanted {bar.wanted})")


if __name__ == "__main__":
    main()
