"""Flink on this machine: a session cluster, Beam's job server before it, and a pool of Python workers."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.engines.children import Child, free_port, listening
from pipelines.engines.flink_conf import Ports, job_manager, job_server, task_manager, write_conf
from pipelines.engines.flink_jobs import FlinkJobs
from pipelines.engines.places import classpath
from pipelines.engines.worker_pool import pool_options, worker_pool

_STARTS = 180.0
"""Seconds for a process to be ready, on a machine that has much to do."""


@dataclass(frozen=True)
class Flink:
    """A cluster that runs. Each of its processes can be killed and started again.

    Attributes:
        jobs: What runs on it.
        job_endpoint: Where Beam brings a job.
        workers: Where the pool of Python workers is.
        job_manager: Flink's JobManager.
        task_manager: Flink's TaskManager.
        job_server: Beam's job server.
        worker_pool: The pool; the workers that it starts are of its group of processes.
    """

    jobs: FlinkJobs
    job_endpoint: str
    workers: str
    job_manager: Child
    task_manager: Child
    job_server: Child
    worker_pool: Child

    def options(self, *, restore: str | None = None) -> list[str]:
        """Return what a run on `--engine flink` needs to be told of it.

        Args:
            restore: A checkpoint or savepoint to go on from, as `FlinkJobs.newest_checkpoint` tells it.
        """
        restored = [f"--savepoint_path={restore}"] if restore else []
        servers = [f"--job_endpoint={self.job_endpoint}", f"--flink_master={self.jobs.rest}"]
        return [*servers, *pool_options(self.workers), *restored]


@contextmanager
def flink(folder: Path, *, heap: int = 1500, slots: int = 8, rest_port: int | None = None) -> Iterator[Flink]:
    """Run a cluster until the end of the context.

    Args:
        folder: Its settings, logs and checkpoints.
        heap: What a TaskManager has for state, in megabytes.
        slots: How many tasks it takes.
        rest_port: Where Flink's own pages are; a free one by default.

    Raises:
        LoadErrors: it is not on this machine, or does not start.
    """
    jars, conf, logs = classpath("flink"), folder.absolute() / "conf", folder / "logs"
    others = [free_port() for _ in range(4)]
    ports = Ports(rest_port or free_port(), *others)
    write_conf(conf, ports, slots=slots)
    jobs = FlinkJobs(f"localhost:{ports.rest}")
    cores = os.cpu_count() or 1
    with ExitStack() as stack:
        manager = stack.enter_context(_child("jobmanager", job_manager(jars, conf), logs))
        tasks = stack.enter_context(_child("taskmanager", task_manager(jars, conf, heap=heap, cores=cores), logs))
        server = stack.enter_context(_child("jobserver", job_server(jars, conf, ports), logs))
        workers = stack.enter_context(worker_pool(logs))
        manager.wait_until(jobs.answers, _STARTS)
        tasks.wait_until(lambda: jobs.task_slots() > 0, _STARTS)
        server.wait_until(lambda: listening(ports.jobs), _STARTS)
        yield Flink(jobs, f"localhost:{ports.jobs}", workers.address, manager, tasks, server, workers.child)


def _child(name: str, command: list[str], logs: Path) -> Child:
    return Child(name=name, command=command, logs=logs)
