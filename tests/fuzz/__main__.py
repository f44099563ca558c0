"""Tries many random files; prints each that breaks something, with the seed that makes it again."""

import argparse
import sys
import traceback
from random import Random

from tests.fuzz.campaign import KINDS, trial


def main() -> int:
    """Run a campaign; the exit code is 1 if anything broke."""
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    arguments.add_argument("--cases", type=int, default=1_000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--kind", choices=sorted(KINDS))
    given = arguments.parse_args()
    broken = 0
    for number in range(given.seed, given.seed + given.cases):
        kind = given.kind or Random(number).choice(sorted(KINDS))
        try:
            told = trial(kind, number)
        except Exception:
            told = traceback.format_exc(limit=-4)
        if told:
            broken += 1
            print(f"--kind {kind} --seed {number} --cases 1: {told}", flush=True)
    print(f"{given.cases:,} cases, {broken:,} broken")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
