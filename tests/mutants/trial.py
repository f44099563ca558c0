"""One change against the tests: in a forked process that imports the changed module in place of the one in its file.

The parent has imported what others made and nothing of ours: polars starts its threads with the first frame, and a
process that is forked after that would wait for them for ever.
"""

import ast
import importlib
import os
import resource
import signal
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType

import pytest
from hypothesis import is_hypothesis_test, settings

from tests.mutants.changes import Change, path_of

NOT_OURS = (
    "numpy", "pandas", "polars", "pyarrow.compute", "pyarrow.parquet", "pyarrow.csv", "pyarrow.json", "hypothesis",
    "pydantic", "sqlglot", "ruamel.yaml", "msgspec", "fastavro", "rich.console", "structlog", "apache_beam",
    "apache_beam.testing.test_stream",
)  # fmt: skip
QUIET = ("-x", "-q", "--no-header", "--no-summary", "-pno:cacheprovider", "-pno:xdist", "-Wignore")
WALL_SECONDS = 3600
EXAMPLES = 6
"""How many of a property: what many examples notice, some of the first do; what only many do should be a test."""
SETTINGS = "_hypothesis_internal_use_settings"


def warm_up() -> None:
    """Import what takes long and is the same for every change."""
    sys.dont_write_bytecode = False
    for name in NOT_OURS:
        importlib.import_module(name)


class _Instead(MetaPathFinder, SourceFileLoader):
    """Finds the changed module before anything else does."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        super().__init__(module, str(path_of(module)))
        self._tree = tree

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._tree, self.path, "exec")


class _First:
    """Remembers the test that failed first, and lets no property try more than a few examples."""

    test = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for function in (getattr(item, "obj", None) for item in items):
            if is_hypothesis_test(function):
                usual: settings = getattr(function, SETTINGS, settings())
                setattr(function, SETTINGS, settings(usual, max_examples=min(usual.max_examples, EXAMPLES)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.test = self.test or (report.nodeid if report.failed else "")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.test = self.test or (report.nodeid if report.failed else "")


def start(change: Change | None, tests: Sequence[str], seconds: int) -> tuple[int, int]:
    """Fork a process that tries a change, and return its id and where it will say which test failed, if one does.

    It has so many seconds of a processor, however busy the machine is: who needs more goes round in circles.
    """
    told, tell = os.pipe()
    if process := os.fork():
        os.close(tell)
        return process, told
    code = 1
    try:
        os.write(tell, _failed(change, tests, seconds).encode())
        code = 0
    finally:
        os._exit(code)


def _failed(change: Change | None, tests: Sequence[str], seconds: int) -> str:
    _limit(seconds)
    if change:
        sys.meta_path.insert(0, _Instead(change.module, change.made()))
    first = _First()
    for one in tests:  # what is collected late is paid for by those only that come so far
        code = pytest.main([*QUIET, *one.split()], plugins=[first])
        if code != pytest.ExitCode.OK:
            return first.test or f"{one}: {code!r}"
    return ""


def _limit(seconds: int) -> None:
    """Give a process an end, and nobody to talk to."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    signal.alarm(WALL_SECONDS)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def ended(told: int, status: int) -> str:
    """Return which test failed in a process that has ended, "" if none did."""
    with os.fdopen(told, "rb") as said:
        text = said.read().decode()
    return text if status == 0 else f"ended with {os.waitstatus_to_exitcode(status)}"
