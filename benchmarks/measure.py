"""Whole processes measured side by side: wall time and peak memory, the median of several runs."""

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """What a command cost: seconds from start to exit, and the peak of its resident memory in MB."""

    seconds: float
    megabytes: float


def run(command: Sequence[str], env: dict[str, str] | None = None) -> Measured:
    """Run a command once, children it waits for included.

    Raises:
        RuntimeError: it failed.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(command)}")
    return Measured(time.perf_counter() - start, usage.ru_maxrss / 1024)


def median(command: Sequence[str], times: int, env: dict[str, str] | None = None) -> Measured:
    """Run a command several times; return the median of the seconds and the highest memory."""
    runs = [run(command, env) for _ in range(times)]
    return Measured(statistics.median(one.seconds for one in runs), max(one.megabytes for one in runs))
