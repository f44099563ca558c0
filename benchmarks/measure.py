"""Whole processes measured side by side: wall time, processor time and peak memory.

python -m benchmarks.measure COMMAND ...
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

ONE_THREAD = {**os.environ, "POLARS_MAX_THREADS": "1"}
"""The environment of a process whose polars has one thread, as a worker of a stream should."""


@dataclass(frozen=True)
class Measured:
    """What a command cost from start to exit, children it waits for included.

    Attributes:
        seconds: Wall time.
        core_seconds: Time on processors, of all threads.
        megabytes: Peak of its resident memory.
    """

    seconds: float
    core_seconds: float
    megabytes: float


def run(command: Sequence[str]) -> Measured:
    """Run a command once, as the child of a small process: a child's peak starts at that of its parent.

    Raises:
        RuntimeError: it failed; what it said on standard error is in the message.
    """
    return Measured(**apart("benchmarks.measure", *command, environment=os.environ))


def apart(module: str, *arguments: str, environment: Mapping[str, str] = ONE_THREAD) -> Any:
    """Return the JSON that a module prints in a process of its own.

    Raises:
        RuntimeError: it failed; what it said on standard error is in the message.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def middle(runs: Sequence[Measured]) -> Measured:
    """Return the medians of the seconds and the highest memory."""
    seconds = statistics.median(one.seconds for one in runs)
    return Measured(seconds, statistics.median(one.core_seconds for one in runs), max(one.megabytes for one in runs))


def main() -> None:
    """Run the command of the arguments, print what it cost, exit as it did."""
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    print(json.dumps(asdict(Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))))
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
