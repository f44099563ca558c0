"""Change the core in small ways, one at a time, and tell which changes the tests do not notice: `make mutants`."""

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace

from tests.mutants.campaign import Result, areas, chosen, equivalents, gone, in_turn, share, table, tries, unchanged
from tests.mutants.trial import warm_up

LEAST = 0.9


def main() -> int:
    """Return 0 if enough changes are noticed."""
    asked, listed = _asked(), equivalents()
    wanted = [replace(area, tests=asked.tests or area.tests) for name, area in areas().items() if name in asked.areas]
    if stale := gone(listed):
        print("listed as equivalent and no longer there:", *stale, sep="\n  ")
    per_area = -(-asked.number // len(wanted))
    mine = [[(area, one) for one in chosen(area, per_area, asked.seed, listed, asked.only)] for area in wanted]
    some = list(in_turn(map(iter, mine)))  # what is known after a while is known of all areas
    warm_up()
    usual, red = unchanged(wanted, asked.workers)
    if red:
        print("red without any change:", *(f"{call}: {test}" for call, test in red.items()), sep="\n  ")
        return 2
    results = tries(some, usual, asked.workers, lambda one: print(_line(one), flush=True))
    print(table(results, len(listed)))
    return 0 if share(results) >= asked.least and not stale else 1


def _asked() -> Namespace:
    parser = ArgumentParser("python -m tests.mutants", description=__doc__)
    parser.add_argument("--number", type=int, default=312, help="how many changes, the same of each area")
    parser.add_argument("--areas", nargs="+", default=list(areas()), choices=list(areas()), metavar="AREA")
    parser.add_argument("--tests", nargs="+", help="calls of pytest that must notice, instead of those of the areas")
    parser.add_argument("--seed", type=int, default=1, help="another seed chooses others")
    parser.add_argument("--workers", type=int, default=2, help="how many at once")
    parser.add_argument("--least", type=float, default=LEAST, help="the share that must be noticed")
    parser.add_argument("--only", default="", help="only changes whose name has this in it")
    return parser.parse_args()


def _line(one: Result) -> str:
    what = f"noticed by {one.noticed_by}" if one.noticed_by else "NOT NOTICED"
    return f"{one.area}: {one.change.name}\n    {what}"


if __name__ == "__main__":
    sys.exit(main())
