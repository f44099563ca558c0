"""A campaign: which changes are tried, in turn, and how many of them the tests notice."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

from ruamel.yaml import YAML

from tests.mutants.changes import Change, changes
from tests.mutants.trial import Report, Usual, ended, start, start_unchanged

HERE = Path(__file__).parent
Thing = TypeVar("Thing")
Start = Callable[[], tuple[int, IO[bytes]]]
ENOUGH = 3000
"""Seconds of a processor that no area's tests need."""


@dataclass(frozen=True)
class Area:
    """Modules that belong together, and the calls of pytest that must notice changes of them."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What became of a change: the first test that failed, "" if none did."""

    area: str
    change: Change
    noticed_by: str


def areas() -> dict[str, Area]:
    """Return the areas by name."""
    data = YAML(typ="safe").load(HERE / "areas.yaml")
    stories = tuple(data["stories"])
    return {name: Area(name, tuple(one["modules"]), (*one["tests"], *stories)) for name, one in data["areas"].items()}


def equivalents() -> dict[str, str]:
    """Return why nobody can notice a change, by its name."""
    return dict(YAML(typ="safe").load(HERE / "equivalents.yaml"))


def chosen(area: Area, number: int, seed: int, passed_over: Mapping[str, str], only: str = "") -> list[Change]:
    """Return some changes of an area, of all kinds in turn; the same for the same seed.

    Args:
        area: Whose modules are changed.
        number: How many at the most.
        seed: Another one chooses others.
        passed_over: Names of changes that are never chosen.
        only: What is in the names of all that are.
    """
    kinds: dict[str, list[Change]] = {}
    for module in area.modules:
        for change in changes(module):
            if change.name not in passed_over and only in change.name:
                kinds.setdefault(change.kind, []).append(change)
    turns = [iter(sorted(mine, key=lambda one: one.rank(seed))) for _, mine in sorted(kinds.items())]
    return list(islice(in_turn(turns), number))


def in_turn(turns: Iterable[Iterator[Thing]]) -> Iterator[Thing]:
    """Yield the first of each, the second of each, and so on."""
    going = list(turns)
    while going:
        found = [(turn, next(turn, None)) for turn in going]
        yield from (one for _, one in found if one is not None)
        going = [turn for turn, one in found if one is not None]


def gone(listed: Mapping[str, str]) -> list[str]:
    """Return the names of changes that are listed and no longer there."""
    names = {change.name for area in areas().values() for module in area.modules for change in changes(module)}
    return sorted(listed.keys() - names)


def unchanged(wanted: Sequence[Area], workers: int) -> tuple[dict[str, dict[str, Usual]], dict[str, str]]:
    """Return what the tests of each call do without any change, and the first of each call that fails."""
    modules = [module for area in wanted for module in area.modules]
    calls = list(dict.fromkeys(call for area in wanted for call in area.tests))
    found = dict(run([(call, partial(start_unchanged, call, modules, ENOUGH)) for call in calls], workers))
    tests = {call: found[call].tests for call in calls}
    return tests, {call: report.failed for call, report in found.items() if report.failed}


def order(area: Area, change: Change, usual: Mapping[str, Mapping[str, Usual]]) -> dict[str, float]:
    """Return the tests that call the function of a change, with their seconds, quick ones first.

    All tests of the area, where it is in no function that is ever called: then it is made when its module is imported.
    """
    tests = {name: test for call in area.tests for name, test in usual[call].items()}
    called = {name: test for name, test in tests.items() if change.where in test.touched}
    ordered = sorted((called or tests).items(), key=lambda one: one[1].seconds)
    return {name: test.seconds for name, test in ordered}


def tries(
    wanted: Sequence[tuple[Area, Change]],
    usual: Mapping[str, Mapping[str, Usual]],
    workers: int,
    tell: Callable[[Result], None],
) -> list[Result]:
    """Try changes, and tell of each as soon as it is known; each may take three times as long as is usual."""
    found, todo = list[Result](), list[tuple[tuple[Area, Change], Start]]()
    for area, change in wanted:
        tests = order(area, change, usual)
        todo.append(((area, change), partial(start, change, list(tests), 60 + round(3 * sum(tests.values())))))
    for (area, change), report in run(todo, workers):
        found.append(Result(area.name, change, report.failed))
        tell(found[-1])
    return found


def run(wanted: Sequence[tuple[Thing, Start]], workers: int) -> Iterator[tuple[Thing, Report]]:
    """Start each, as many at once as there are workers; yield what it reported."""
    todo, going = list(reversed(wanted)), dict[int, tuple[Thing, IO[bytes]]]()
    while todo or going:
        while todo and len(going) < workers:
            what, begin = todo.pop()
            process, told = begin()
            going[process] = (what, told)
        process, status = os.wait()
        what, told = going.pop(process)
        yield what, ended(told, status)


def table(results: Sequence[Result], listed: int) -> str:
    """Return how many were noticed, a line an area, and those that were not."""
    all_of, seen = Counter(one.area for one in results), Counter(one.area for one in results if one.noticed_by)
    lines = [
        f"{name:<12} {seen[name]:>4} of {number:>4}  {seen[name] / number:>4.0%}" for name, number in all_of.items()
    ]
    total = f"{'all':<12} {sum(seen.values()):>4} of {len(results):>4}  {share(results):>4.0%}"
    left = sorted((one.change.module, one.change.line, one.change.name) for one in results if not one.noticed_by)
    unnoticed = [f"  {module.replace('.', '/')}.py:{line}: {name}" for module, line, name in left]
    return "\n".join([*lines, total, f"{listed} more are listed as equivalent", *unnoticed])


def share(results: Sequence[Result]) -> float:
    """Return the share of changes that were noticed."""
    return sum(bool(one.noticed_by) for one in results) / max(len(results), 1)
