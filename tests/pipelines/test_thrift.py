"""A process that spends little on memory still frees what it no longer needs."""

import gc
import subprocess
import sys

PROGRAM = """
import weakref
from pipelines.thrift import collect_rarely, keep_little_memory

class Ring:
    def __init__(self):
        self.me = self

keep_little_memory()
collect_rarely()
first = weakref.ref(Ring())
kept = [Ring() for _ in range({rings})]
print(first() is None)
"""


def _freed(rings: int) -> str:
    told = subprocess.run([sys.executable, "-c", PROGRAM.format(rings=rings)], capture_output=True, check=True)
    return told.stdout.decode().strip()


def test_cycles_are_found_once_there_are_many_new_objects() -> None:
    assert gc.get_threshold()[0] < 100_000, "the tests themselves run with Python's own"
    assert _freed(10) == "False"
    assert _freed(100_000) == "True"
