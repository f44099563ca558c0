"""Whatever is killed of a stream on Flink, it goes on from its last checkpoint, and tells what a bounded run does."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.engines.flink import Flink
from tests.servers.flink import flink_cluster
from tests.servers.kafka import KafkaServer
from tests.servers.waiting import wait_until
from tests.streams.towns import KEY, UNTIL, WHOLE, TownDay, stream_rows, town_day

SOON = 600.0
"""Seconds until something must have happened on a busy machine."""
SLICES = 5
AFTER = "2026-03-05T00:00:00Z"
"""The time of the signals that let the watermark pass the end of the day."""


class Stream:
    """The day of a town as a stream: its usage from a topic, the rest from files.

    Attributes:
        out: Where its files go.
        jobs: What runs.
    """

    def __init__(self, day: TownDay, kafka: KafkaServer, cluster: Flink, folder: Path) -> None:
        """Make an empty topic."""
        self.out, self.jobs = folder / "out", cluster.jobs
        self._cluster, self._kafka, self._topic = cluster, kafka, kafka.topic(2)
        files = [f"{name}={file}" for name, file in day.files.items() if name != "usage"]
        usage = f"usage=kafka://{kafka.servers}/{self._topic}?replay&idle=1h&group={self._topic}"
        given = [text for one in (*files, usage) for text in ("--signals", one)]
        times = ["--until", UNTIL, "--as-of", UNTIL, "--mode", "simulated", "--format", "parquet"]
        rest = ["--span", "1h", "--shards", "2", "--engine", "flink"]
        command = [sys.executable, "-m", "pipelines", "run", str(day.playbooks), *given, "--out", str(self.out)]
        self._command, self._log = [*command, *times, *rest], folder / "launcher.log"
        self.job, self._launcher = "", None

    def start(self, restore: str | None = None) -> None:
        """Submit it, and wait until it is read."""
        name = f"crash-{uuid.uuid4().hex}"
        options = ["--", *self._cluster.options(restore=restore), f"--job_name={name}"]
        with self._log.open("ab") as log:
            environment = {**os.environ, "SEGONE_PSEUDONYM_KEY": KEY}
            self._launcher = subprocess.Popen([*self._command, *options], env=environment, stdout=log, stderr=log)
        wait_until(lambda: self.jobs.active_named(name) is not None or self._failed(), SOON)
        self.job = str(self.jobs.active_named(name))
        self.settle()

    def _failed(self) -> bool:
        assert self._launcher is not None
        assert self._launcher.poll() is None, self._log.read_text("utf-8")[-3_000:]
        return False

    def settle(self) -> None:
        """Wait until two more checkpoints are complete."""
        before = self.jobs.checkpoints(self.job)
        wait_until(lambda: self.jobs.checkpoints(self.job) >= before + 2, SOON)

    def send(self, lines: list[bytes]) -> None:
        """Publish signals, those of a subject in one partition."""
        for number in range(2):
            mine = [line for line in lines if sum(json.loads(line)["subject"].encode()) % 2 == number]
            self._kafka.send(self._topic, mine, partition=number)

    def kill_launcher(self) -> None:
        """Kill what submitted the job."""
        if self._launcher is not None:
            self._launcher.kill()
            self._launcher.wait()


def _slices(file: Path) -> list[list[bytes]]:
    """Return the signals of a file in the order of their times, in parts; the last lets the watermark pass the day."""
    lines = sorted(file.read_bytes().splitlines(), key=lambda line: str(json.loads(line)["time"]))
    size = -(-len(lines) // SLICES)
    parts = [lines[at : at + size] for at in range(0, len(lines), size)]
    by_partition = {sum(json.loads(line)["subject"].encode()) % 2: json.loads(line) for line in lines}
    later = [{**one, "id": f"after-{number}", "time": AFTER} for number, one in by_partition.items()]
    return [*parts, [json.dumps(one).encode() for one in later]]


def _differences(day: TownDay, out: Path) -> dict[str, tuple[int, int]]:
    """Return, of each output that is not that of the bounded run, how many rows are missing and how many differ."""
    found = {}
    for output in WHOLE:
        got, wanted = {*stream_rows(out, output)}, {*day.rows[output]}
        if got != wanted:
            found[output] = (len(wanted - got), len(got - wanted))
    return found


def _kill_workers(stream: Stream, cluster: Flink) -> None:
    cluster.worker_pool.kill()
    cluster.worker_pool.start()


def _kill_task_manager(stream: Stream, cluster: Flink) -> None:
    cluster.task_manager.kill()
    cluster.task_manager.start()


def _kill_launcher(stream: Stream, cluster: Flink) -> None:
    stream.kill_launcher()


def _resubmit(stream: Stream, cluster: Flink) -> None:
    newest = stream.jobs.newest_checkpoint(stream.job)
    stream.kill_launcher()
    stream.jobs.cancel(stream.job)
    stream.start(restore=newest)


KILLS: tuple[Callable[[Stream, Flink], None], ...] = (_kill_workers, _kill_task_manager, _kill_launcher, _resubmit)


@pytest.mark.crashes
def test_a_stream_on_flink_outlives_its_parts(tmp_path: Path, kafka: KafkaServer) -> None:
    """Each part is killed just after signals came, when no checkpoint has them."""
    day = town_day(tmp_path / "day")
    with flink_cluster(tmp_path / "flink", SEGONE_PSEUDONYM_KEY=KEY) as cluster:
        stream = Stream(day, kafka, cluster, tmp_path)
        stream.start()
        first, *others = _slices(day.files["usage"])
        stream.send(first)
        stream.settle()
        sizes = []
        for lines, kill in zip(others[: len(KILLS)], KILLS, strict=True):
            stream.send(lines)
            kill(stream, cluster)
            stream.settle()
            sizes.append(stream.jobs.checkpoint_bytes(stream.job))
        stream.send(others[-1])
        wait_until(lambda: not _differences(day, stream.out), SOON)
        stream.settle()
        assert _differences(day, stream.out) == {}
        assert all(size is not None for size in sizes)
        stream.kill_launcher()
        stream.jobs.cancel()
