"""The Pub/Sub emulator of the Google Cloud CLI: in memory, so that a kill forgets everything."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.engines.children import Child, free_port, listening
from schemas.errors import LoadError, LoadErrors

_PROGRAM = Path("platform", "pubsub-emulator", "bin", "cloud-pubsub-emulator")


@dataclass(frozen=True)
class PubSub:
    """An emulator that runs.

    Attributes:
        address: Where it is; clients find it by PUBSUB_EMULATOR_HOST.
        child: Its process.
    """

    address: str
    child: Child


@contextmanager
def pubsub(logs: Path, *, port: int | None = None) -> Iterator[PubSub]:
    """Run an emulator until the end of the context. PUBSUB_EMULATOR_HOST is the caller's to set.

    Args:
        logs: The folder of its log.
        port: Where it listens; a free one by default.

    Raises:
        LoadErrors: it is not on this machine, or does not start.
    """
    port = port or free_port()
    command = [str(emulator()), "--host=localhost", f"--port={port}"]
    with Child(name="pubsub", command=command, logs=logs) as child:
        child.wait_until(lambda: listening(port), 180)
        yield PubSub(f"localhost:{port}", child)


def emulator() -> Path:
    """Return the program of the emulator.

    Raises:
        LoadErrors: the Google Cloud CLI is not on this machine, or not this part of it.
    """
    hint = "install the Google Cloud CLI, then `gcloud components install beta pubsub-emulator`"
    if (gcloud := shutil.which("gcloud")) is None:
        raise LoadErrors([LoadError("pubsub", None, "the Google Cloud CLI is not on the PATH", hint=hint)])
    for root in (Path(gcloud).resolve().parents[1], *_told_by(gcloud)):
        if (root / _PROGRAM).is_file():
            return root / _PROGRAM
    raise LoadErrors([LoadError("pubsub", None, "the Google Cloud CLI here has no emulator of Pub/Sub", hint=hint)])


def _told_by(gcloud: str) -> Iterator[Path]:
    """Return where the CLI says that it is; it takes a second, and distributions move it."""
    command = [gcloud, "info", "--format=value(installation.sdk_root)"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if told:
        yield Path(told)
