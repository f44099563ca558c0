"""A pool of Python workers for Flink: it starts one for each TaskManager that asks, and again for one that died."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.engines.children import Child, free_port, listening


@dataclass(frozen=True)
class WorkerPool:
    """A pool that runs.

    Attributes:
        address: Where TaskManagers ask it for workers.
        child: Its process; the workers that it starts are of its group of processes.
    """

    address: str
    child: Child


@contextmanager
def worker_pool(logs: Path) -> Iterator[WorkerPool]:
    """Run a pool until the end of the context.

    Args:
        logs: The folder of its log, which is that of its workers; `pipelines.logs` says how the environment forms it.

    Raises:
        LoadErrors: it does not start.
    """
    port = free_port()
    command = [sys.executable, "-m", "pipelines.engines.workers", f"--service_port={port}"]
    with Child(name="workers", command=command, logs=logs) as child:
        child.wait_until(lambda: listening(port), 120)
        yield WorkerPool(f"localhost:{port}", child)


def pool_options(address: str) -> list[str]:
    """Return what a run is told of a pool."""
    return ["--environment_type=EXTERNAL", f"--environment_config={address}"]
