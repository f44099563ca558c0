"""The yardstick through the real pipeline: the playbook `usage_offers.yaml`, decision records included.

python -m benchmarks.usage_offers --input FILE.parquet --output OFFERS.csv [--mode batch|stream] [--shards N]
"""

import argparse
import tempfile
from pathlib import Path

from pipelines.thrift import collect_rarely, keep_little_memory

SHARDS = {"batch": 4, "stream": 2}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--mode", choices=SHARDS, default="batch")
    parser.add_argument("--shards", type=int)
    parser.add_argument("--span", default="25m", help="of the stream's backlog; 5m is tick by tick")
    parser.add_argument("--households", help="a file of membership signals: three features of each household besides")
    args = parser.parse_args()
    keep_little_memory()
    collect_rarely()
    from benchmarks import yardstick_runs  # noqa: PLC0415 - after that
    from schemas.durations import parse_duration  # noqa: PLC0415

    shards = args.shards or SHARDS[args.mode]
    with tempfile.TemporaryDirectory() as out:
        settings = yardstick_runs.settings(args.input, out, shards, args.households)
        if args.mode == "stream":
            Path(args.output).write_text("")
            yardstick_runs.stream(settings, args.input, args.output, parse_duration(args.span))
        else:
            Path(args.output).write_text("".join(f"{line}\n" for line in yardstick_runs.batch(settings)))


if __name__ == "__main__":
    main()
