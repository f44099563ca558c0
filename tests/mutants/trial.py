"""One change against the tests: in a forked process that imports the changed module in place of the one in its file.

The parent has imported what others made and nothing of ours: polars starts its threads with the first frame, and a
process that is forked after that would wait for them for ever.
"""

import ast
import builtins
import importlib
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Collection, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType
from typing import IO

import msgspec
import pytest
from hypothesis import Phase, is_hypothesis_test, settings

from tests.mutants.changes import Change, path_of, touching

NOT_OURS = (
    "numpy", "pandas", "polars", "pyarrow.compute", "pyarrow.parquet", "pyarrow.csv", "pyarrow.json", "hypothesis",
    "pydantic", "sqlglot", "ruamel.yaml", "msgspec", "fastavro", "rich.console", "structlog", "apache_beam",
    "apache_beam.testing.test_stream",
)  # fmt: skip
QUIET = ("-x", "-q", "--no-header", "--no-summary", "-pno:cacheprovider", "-pno:xdist", "-Wignore")
WALL_SECONDS = 3600
EXAMPLES = 6
"""How many of a property: what many examples notice, some of the first do; what only many do should be a test."""
PHASES = (Phase.explicit, Phase.generate)
"""A case that fails is enough: nobody waits for the smallest."""
SETTINGS = "_hypothesis_internal_use_settings"


class Usual(msgspec.Struct):
    """What a test did when nothing was changed.

    Attributes:
        seconds: How long it took.
        touched: The functions that it called, as changes name them.
    """

    seconds: float
    touched: list[str]


class Report(msgspec.Struct):
    """What became of a trial.

    Attributes:
        failed: The test that failed first, "" if none did.
        tests: By their names.
    """

    failed: str = ""
    tests: dict[str, Usual] = {}


def warm_up() -> None:
    """Import what takes long and is the same for every change."""
    sys.dont_write_bytecode = False
    for name in NOT_OURS:
        importlib.import_module(name)


class _Instead(MetaPathFinder, SourceFileLoader):
    """Finds a module with another tree before anything else does."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        super().__init__(module, str(path_of(module)))
        self._tree = tree

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._tree, self.path, "exec")


class _Watched:
    """Picks the tests, lets no property try more than a few examples, and remembers what each test did."""

    def __init__(self, order: Sequence[str], touched: set[str]) -> None:
        self.report = Report()
        self._order, self._touched = {name: n for n, name in enumerate(order)}, touched

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._order:
            items[:] = sorted(
                (one for one in items if one.nodeid in self._order), key=lambda one: self._order[one.nodeid]
            )
        for function in (getattr(item, "obj", None) for item in items):
            if is_hypothesis_test(function):
                usual: settings = getattr(function, SETTINGS, settings())
                few = min(usual.max_examples, EXAMPLES)
                setattr(function, SETTINGS, settings(usual, max_examples=few, phases=PHASES))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._fails(report)
        test = self.report.tests.setdefault(report.nodeid, Usual(0, []))
        test.seconds += report.duration
        if report.when == "teardown":
            test.touched = sorted(self._touched)
            self._touched.clear()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._fails(report)

    def _fails(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        self.report.failed = self.report.failed or (report.nodeid if report.failed else "")


def start(change: Change, order: Sequence[str], seconds: int) -> tuple[int, IO[bytes]]:
    """Fork a process that tries a change on tests, in their order; return its id and where it will report.

    It has so many seconds of a processor, however busy the machine is: who needs more goes round in circles.
    """
    files = list(dict.fromkeys(name.partition("::")[0] for name in order))
    return _forked(files, order, seconds, {change.module: change.made()}, set())


def start_unchanged(call: str, modules: Collection[str], seconds: int) -> tuple[int, IO[bytes]]:
    """Fork a process that makes a call of pytest without any change, and watches which functions are called."""
    touched = set[str]()
    return _forked(call.split(), (), seconds, {module: touching(module) for module in modules}, touched)


def _forked(
    arguments: Sequence[str], order: Sequence[str], seconds: int, trees: dict[str, ast.Module], touched: set[str]
) -> tuple[int, IO[bytes]]:
    told = tempfile.TemporaryFile()  # noqa: SIM115 (both processes hold it)
    if process := os.fork():
        return process, told
    code = 1
    try:
        _limit(seconds)
        sys.meta_path[:0] = [_Instead(module, tree) for module, tree in trees.items()]
        builtins.__dict__["_touched"] = touched.add
        watched = _Watched(order, touched)
        ended = pytest.main([*QUIET, *arguments], plugins=[watched])
        if ended not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            watched.report.failed = watched.report.failed or f"{arguments}: {ended!r}"
        told.write(msgspec.json.encode(watched.report))
        told.flush()
        code = 0
    finally:
        os._exit(code)


def _limit(seconds: int) -> None:
    """Give a process an end, and nobody to talk to."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    signal.alarm(WALL_SECONDS)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def ended(told: IO[bytes], status: int) -> Report:
    """Return what a process that has ended reported."""
    with told:
        if status:
            return Report(f"ended with {os.waitstatus_to_exitcode(status)}")
        told.seek(0)
        return msgspec.json.decode(told.read(), type=Report)
