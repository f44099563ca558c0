"""Brokers for tests, each started on free ports and ended with the test session."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

CLASSPATH = Path(os.environ.get("SEGONE_ENGINES", Path(__file__).parents[3] / ".engines")) / "kafka.classpath"
UP = 60.0  # seconds that a server may take to start
SERVER = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:{control}
listeners=PLAINTEXT://localhost:{port},CONTROLLER://localhost:{control}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/logs
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port: int = found.getsockname()[1]
        return port


def until(there: Callable[[], bool], what: str, seconds: float = UP) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: it is not, for too long.
    """
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("localhost", port)) == 0


@contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """Run a server until the block ends; it listens on a port when the block begins."""
    with log.open("wb") as told:
        server = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            until(lambda: server.poll() is not None or listens(port), f"{command[0]} on {port}: see {log}")
            assert server.poll() is None, log.read_text("utf-8", "replace")[-2_000:]
            yield
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@contextmanager
def pubsub_emulator(folder: Path) -> Iterator[str]:
    """Run the Pub/Sub emulator and return its address; without it the test is skipped."""
    root = Path(shutil.which("gcloud") or "none").resolve().parents[1]
    command = root / "platform" / "pubsub-emulator" / "bin" / "cloud-pubsub-emulator"
    if not command.exists():
        pytest.skip("no Pub/Sub emulator: gcloud components install pubsub-emulator")
    port = free_port()
    with running([str(command), "--host=localhost", f"--port={port}"], port, folder / "pubsub.log"):
        yield f"localhost:{port}"


@contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """Run Kafka and return its address; without it the test is skipped."""
    if not CLASSPATH.exists():
        pytest.skip(f"no Kafka: {CLASSPATH} is not there; make engines")
    port, control = free_port(), free_port()
    settings = folder / "server.properties"
    settings.write_text(SERVER.format(port=port, control=control, folder=folder))
    java = ["java", "-Xmx256m", "-cp", CLASSPATH.read_text().strip()]
    storage = [*java, "kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", str(settings)]
    subprocess.run(storage, check=True, capture_output=True)
    with running([*java, "kafka.Kafka", str(settings)], port, folder / "kafka.log"):
        yield f"localhost:{port}"
