"""Tries many random files; prints each that breaks something, with the seed that makes it again."""

import argparse
import resource
import sys
import time
import traceback
import warnings
from random import Random

from tests.fuzz.campaign import KINDS, Tally, trial
from tests.fuzz.judge import Verdict

PROGRESS = 10_000


def main() -> int:
    """Run a campaign; the exit code is 1 if anything broke."""
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    arguments.add_argument("--cases", type=int, default=1_000)
    arguments.add_argument("--seed", type=int, default=0, help="of the first case; each next one has the next")
    arguments.add_argument("--kind", choices=sorted(KINDS), help="by default each seed has one of its own")
    arguments.add_argument(
        "--part", default="1/1", help="as 2/3: every third case, from the second on, in this process"
    )
    given = arguments.parse_args()
    part, parts = map(int, given.part.split("/"))
    warnings.simplefilter("error")
    tally, started = Tally(), time.monotonic()
    for done, seed in enumerate(range(given.seed + part - 1, given.seed + given.cases, parts), start=1):
        kind = given.kind or Random(seed).choice(sorted(KINDS))
        verdict = _tried(kind, seed)
        tally.add(kind, verdict)
        if verdict.wrong:
            print(f"--kind {kind} --seed {seed} --cases 1: {verdict.wrong}", flush=True)
        if done % PROGRESS == 0:
            print(f"{done:,} cases, {tally.broken:,} broken, {_spent(started)}", flush=True)
    print(*tally.lines(), _spent(started), sep="\n")
    return int(tally.broken > 0)


def _spent(started: float) -> str:
    """Return the time since the start, and the most memory that was held: it should not grow with the cases."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return f"{time.monotonic() - started:,.0f} s, at most {memory:,} MiB"


def _tried(kind: str, seed: int) -> Verdict:
    try:
        return trial(kind, seed)
    except Exception:
        return Verdict(traceback.format_exc(limit=-4))


if __name__ == "__main__":
    sys.exit(main())
