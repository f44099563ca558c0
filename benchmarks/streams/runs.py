"""One `segone run` between two topics, watched: its memory, its counts, the offers as they arrive."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep, time
from typing import NamedTuple

from benchmarks import measure
from benchmarks.engines import HERE
from benchmarks.streams.brokers import Arrived, Broker
from benchmarks.streams.watched import Watched
from pipelines.engines.children import Child, free_port, listening
from pipelines.engines.flink import Flink, flink
from pipelines.top import UnreachableError, poll
from transforms.metrics.rendering import Samples
from transforms.metrics.serving import PORT, PORTS

SOURCES = str(HERE / "usage_offers.sources.yaml")
SIGNALS_IN = "segone_signals_in_total", ()
LAG = "segone_streams_watermark_lag_seconds", ()
PATIENCE = 180.0
"""Seconds until something must have happened: an engine that starts on a busy machine takes long."""

ARRIVING = 5.0
"""Seconds for which what a run sent last may be on its way."""


class Offer(NamedTuple):
    """An offer that arrived: whom it is for, its tick, when it arrived and when it was sent, milliseconds."""

    subject: str
    tick: int
    at: int
    stamp: int


@dataclass
class Offers:
    """The offers that arrive on a topic, as a context; `texts` are what programs that write no events send."""

    broker: Broker
    topic: str
    arrived: list[Arrived] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Offers":
        """Start to follow."""
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._stop.set()
        self._thread.join()

    def every(self, first: int = 0) -> list[Offer]:
        """Return the offers from the `first` that arrived on, each once."""
        found: dict[str, Offer] = {}
        for text, at, stamp in self.arrived[first:]:
            event = json.loads(text)
            tick = datetime.fromisoformat(event["time"])
            found.setdefault(
                event["id"], Offer(event["subject"].partition("/")[2], round(tick.timestamp() * 1000), at, stamp)
            )
        return list(found.values())

    def newest(self) -> int | None:
        """Return the tick of the offer that arrived last."""
        return self.every(len(self.arrived) - 1)[0].tick if self.arrived else None

    def wait(self, count: int, alive: "Running") -> None:
        """Return when so many arrived."""
        alive.until(lambda: len(self.arrived) >= count)

    def _follow(self) -> None:
        for some in self.broker.follow(self.topic, self._stop):
            self.arrived += some


@dataclass
class Running:
    """A run, which serves what it counts.

    Attributes:
        child: Its first process.
        ports: Where its workers may serve.
        watched: All its processes, and those of its engine.
    """

    child: Child
    ports: Sequence[int]
    watched: Watched

    def counts(self) -> Samples:
        """Return what all its workers count; nothing while none is there."""
        served = [port for port in self.ports if listening(port)]
        try:
            return poll([f"http://127.0.0.1:{port}/metrics" for port in served]).samples if served else {}
        except UnreachableError:
            return {}

    def until(self, true: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Return when something is true.

        Raises:
            RuntimeError: it takes too long, or the run ended before.
        """
        end, over = monotonic() + seconds, float("inf")
        while not true():
            if not self.child.running:
                over = min(over, monotonic() + ARRIVING)
            if monotonic() > min(end, over):
                told = self.child.log.read_text("utf-8", "replace")[-3000:]
                raise RuntimeError(f"the run does not come so far; its log ends:\n{told}")
            sleep(0.02)


@contextmanager
def engine_running(name: str, folder: Path) -> Iterator[Flink | None]:
    """Run the engine that outlives runs, if it is one: its workers serve where they are told now."""
    with ExitStack() as stack:
        if name == "flink":
            os.environ[PORT] = str(free_port())
            stack.callback(os.environ.pop, PORT)
        yield stack.enter_context(flink(folder)) if name == "flink" else None


@contextmanager
def started(command: Sequence[str], folder: Path, cluster: Flink | None) -> Iterator[Running]:
    """Run a program of a stream until the end of the context, then interrupt it."""
    port = free_port() if cluster is None else int(os.environ[PORT])
    environment = {**measure.ONE_THREAD, PORT: str(port)}
    others = [] if cluster is None else [cluster.task_manager, cluster.job_manager, cluster.worker_pool]
    servers = [one.pid for one in others]
    run = Child(name="run", command=command, logs=folder, environment=environment)
    with run as child, Watched([child.pid, *servers]) as watched:
        try:
            yield Running(child, [port] if cluster is None else range(port, port + PORTS), watched)
        finally:
            if cluster is not None:
                cluster.jobs.cancel()


def segone(
    playbook: str, signals: str, offers: str, out: Path, cluster: Flink | None, options: Sequence[str] = ()
) -> list[str]:
    """Return the command of a run between two addresses."""
    where = ["--engine", "prism"] if cluster is None else ["--engine", "flink"]
    told = [] if cluster is None else ["--", *cluster.options()]
    files = ["--sources", SOURCES, "--signals", f"usage={signals}", "--publish", f"offers={offers}", "--out", str(out)]
    return [sys.executable, "-m", "pipelines", "run", playbook, *files, *where, *options, *told]


def now() -> int:
    """Return the time, milliseconds."""
    return int(time() * 1000)
