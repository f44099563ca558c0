"""Whatever is killed of a stream on Flink, it goes on from its last checkpoint, and tells what a bounded run does."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.engines.flink import Flink
from schemas.durations import parse_instant
from tests.crashes.days import Day, Line, day
from tests.crashes.feeds import OnKafka
from tests.crashes.play import Seen, compare, table
from tests.crashes.test_crashes import TABLE
from tests.servers.flink import flink_cluster
from tests.servers.kafka import KafkaServer
from tests.servers.waiting import wait_until
from tests.streams.towns import KEY, UNTIL

SOON = 600.0
"""Seconds until something must have happened on a busy machine."""

AFTER = parse_instant(UNTIL)
"""The time of the last clocks, which let the watermark pass the last tick."""


class Stream:
    """A stream on a cluster, and what it is fed.

    Attributes:
        out: Where its files go.
        cluster: Where it runs.
        job: Its id there.
    """

    def __init__(self, of: Day, broker: OnKafka, cluster: Flink, folder: Path) -> None:
        """Know what to start."""
        self.out, self.cluster, self.job = folder / "out", cluster, ""
        read = [text for one in broker.signals("1h") for text in ("--signals", one)]
        published = [text for one in broker.outputs() for text in ("--publish", one)]
        times = ["--until", of.until, "--as-of", UNTIL, "--mode", "simulated", "--format", "parquet"]
        rest = ["--span", "30m", "--shards", "2", "--engine", "flink"]
        run = [sys.executable, "-m", "pipelines", "run", str(of.playbooks)]
        self._command = [*run, *read, *published, "--out", str(self.out), *times, *rest]
        self._log = folder / "launcher.log"
        self._launcher: subprocess.Popen[bytes] | None = None

    def start(self, restore: str | None = None) -> None:
        """Submit it, perhaps from a checkpoint, and wait until it runs."""
        name = f"crash-{uuid.uuid4().hex}"
        options = ["--", *self.cluster.options(restore=restore), f"--job_name={name}"]
        with self._log.open("ab") as log:
            environment = {**os.environ, "SEGONE_PSEUDONYM_KEY": KEY}
            self._launcher = subprocess.Popen([*self._command, *options], env=environment, stdout=log, stderr=log)
        wait_until(lambda: self._is_there(name), SOON)
        self.settle()

    def _is_there(self, name: str) -> bool:
        assert self._launcher is not None
        assert self._launcher.poll() is None, self._log.read_text("utf-8")[-3_000:]
        self.job = self.cluster.jobs.active_named(name) or ""
        return bool(self.job)

    def settle(self) -> None:
        """Wait until two more checkpoints are complete: the second holds all that was sent before the first began."""
        counts: list[int] = []

        def complete() -> bool:
            with suppress(OSError):  # of a job that begins nothing is known
                counts.append(self.cluster.jobs.checkpoints(self.job))
            return bool(counts) and counts[-1] >= counts[0] + 2

        wait_until(complete, SOON)

    def kill_launcher(self) -> None:
        """Kill what submitted the job."""
        if self._launcher is not None:
            self._launcher.kill()
            self._launcher.wait()

    def stop(self) -> None:
        """Kill the launcher and end the job."""
        self.kill_launcher()
        self.cluster.jobs.cancel(self.job)


def _kill_workers(stream: Stream) -> None:
    stream.cluster.worker_pool.kill()
    stream.cluster.worker_pool.start()


def _kill_task_manager(stream: Stream) -> None:
    stream.cluster.task_manager.kill()
    stream.cluster.task_manager.start()


def _restore(stream: Stream) -> None:
    newest = stream.cluster.jobs.newest_checkpoint(stream.job)
    stream.stop()
    stream.start(restore=newest)


KILLS: dict[str, Callable[[Stream], None]] = {
    "the workers": _kill_workers,
    "the task manager": _kill_task_manager,
    "the launcher": Stream.kill_launcher,
    "the job, restored from its newest checkpoint": _restore,
    "the workers, once more": _kill_workers,
}


@pytest.mark.crashes
def test_kills_on_flink(tmp_path: Path, kafka: KafkaServer) -> None:
    """Each part is killed just after signals came, when no checkpoint has them."""
    of = day(tmp_path)
    broker = OnKafka(kafka, of.signals)
    with flink_cluster(tmp_path / "flink", SEGONE_PSEUDONYM_KEY=KEY) as cluster:
        stream = Stream(of, broker, cluster, tmp_path)
        stream.start()
        first, *others = _parts(of, len(KILLS) + 1)
        broker.send(first)
        stream.settle()
        for kill, lines in zip(KILLS.values(), others, strict=True):
            broker.send(lines)
            kill(stream)
            stream.settle()
        broker.send(_last_clocks(of))
        wait_until(lambda: not ((now := _seen(of, broker, stream.out)).lost or now.files), SOON)
        stream.settle()
        stream.stop()
    seen = _seen(of, broker, stream.out)
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    with TABLE.open("a", encoding="utf-8") as file:
        file.write(table([seen]))
    assert seen.is_exact(), seen


def _parts(of: Day, number: int) -> list[Sequence[Line]]:
    """Return the day in so many parts, in order."""
    size = -(-len(of.slices) // number)
    return [[line for slice_ in of.slices[at : at + size] for line in slice_] for at in range(0, len(of.slices), size)]


def _last_clocks(of: Day) -> Sequence[Line]:
    """Return a clock of each type after all ticks."""
    clocks = {name: text for slice_ in of.slices for _, name, text in slice_ if b'"clock-of-' in text}
    return [
        (AFTER, name, json.dumps(json.loads(text) | {"id": f"last-{name}", "time": AFTER}).encode())
        for name, text in clocks.items()
    ]


def _seen(of: Day, broker: OnKafka, out: Path) -> Seen:
    """Return what is there."""
    seen = Seen("Kafka, on Flink", [*KILLS], of.sent)
    compare(seen, of, broker, out)
    return seen
