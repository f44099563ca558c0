"""Servers as children of this process: started with a log, waited for, ended with us whatever ends us."""

import atexit
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType

from pipelines.engines import leash
from schemas.errors import LoadError, LoadErrors

_PATIENCE = 10.0
"""Seconds that a server has to end when it is asked to."""

_TAIL = 2_000
"""Characters of a log that are shown where a server did not start."""


@dataclass(kw_only=True)
class Child:
    """A server: its own process group, its output in a log; a context that ends with it.

    Attributes:
        name: What it is called in errors; the log is `NAME.log`.
        command: The program and its arguments.
        logs: The folder of logs; made where it is not there. Restarts append.
        environment: What its environment has besides ours.
    """

    name: str
    command: Sequence[str] = field(repr=False)
    logs: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __enter__(self) -> "Child":
        """Start it."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self.stop()

    @property
    def log(self) -> Path:
        """Where its output is."""
        return self.logs / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """Its process, which leads a group of its number; of the last start."""
        assert self._process is not None, "it was started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it is there and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, again if it was ended."""
        assert not self.running, f"{self.name} runs already"
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        _tell_leash(f"+{self.pid}")

    def finish(self, seconds: float) -> None:
        """Wait until it ends by itself.

        Raises:
            LoadErrors: it failed, or takes longer; with the end of its log.
        """
        assert self._process is not None, "it was started"
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"is not done after {seconds:.0f} s") from error
        if code:
            raise self._failed(f"ended with {code}")

    def stop(self) -> None:
        """Ask it to end, and kill what has not after ten seconds; nothing where it is not running."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        self.kill()

    def kill(self) -> None:
        """Kill it and all that it started."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()
        _tell_leash(f"-{self.pid}")

    def _signal(self, which: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, which)

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return when it is ready.

        Raises:
            LoadErrors: it ended, or is not ready in time; with the end of its log.
        """
        deadline = monotonic() + seconds
        while not ready():
            if not self.running:
                raise self._failed("ended before it was ready")
            if monotonic() > deadline:
                raise self._failed(f"is not ready after {seconds:.0f} s")
            sleep(0.1)

    def _failed(self, what: str) -> LoadErrors:
        told = self.log.read_text("utf-8", "replace")[-_TAIL:]
        return LoadErrors([LoadError(self.name, None, what, hint=f"its log {self.log} ends with:\n{told}")])


def free_port() -> int:
    """Return a port of this machine that nobody listens at now."""
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return int(one.getsockname()[1])


def listening(port: int) -> bool:
    """Tell whether something on this machine takes connections at a port."""
    return reachable("localhost", port, seconds=1)


def reachable(host: str, port: int, seconds: float) -> bool:
    """Tell whether something takes connections there."""
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return True
    except OSError:
        return False


def _tell_leash(line: str) -> None:
    pipe = _leash(os.getpid()).stdin
    assert pipe is not None, "asked for"
    pipe.write(f"{line}\n".encode())
    pipe.flush()


@cache
def _leash(us: int) -> subprocess.Popen[bytes]:
    """Return the leash of this process; a fork gets one of its own."""
    command = [sys.executable, "-I", "-S", leash.__file__]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    atexit.register(_let_go, us, started)
    return started


def _let_go(us: int, started: subprocess.Popen[bytes]) -> None:
    if us == os.getpid():
        started.communicate()
