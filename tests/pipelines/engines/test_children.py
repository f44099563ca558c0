"""Servers are started, waited for, killed and started again, and none outlives who started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from time import monotonic, sleep

import pytest

from pipelines.engines.children import Child, free_port, listening
from schemas.errors import LoadErrors

SERVER = [sys.executable, "-m", "http.server", "--bind", "localhost"]

STARTS_ONE = """
    import sys
    from pathlib import Path
    from pipelines.engines.children import Child

    child = Child(name="sleeper", command=["sh", "-c", "sleep 600 & wait"], logs=Path(sys.argv[1]))
    child.start()
    print(child.pid, flush=True)
    sys.stdin.read()
"""


def test_a_server_is_there_within_its_context_and_gone_after(tmp_path: Path) -> None:
    port = free_port()
    with Child(name="web", command=[*SERVER, str(port)], logs=tmp_path / "logs") as child:
        child.wait_until(lambda: listening(port), 30)
        assert child.running
    assert not child.running
    assert not listening(port)
    assert (tmp_path / "logs" / "web.log").exists()


def test_it_can_be_killed_and_started_again(tmp_path: Path) -> None:
    port = free_port()
    with Child(name="web", command=[*SERVER, str(port)], logs=tmp_path) as child:
        child.wait_until(lambda: listening(port), 30)
        first = child.pid
        child.kill()
        assert not child.running
        child.start()
        child.wait_until(lambda: listening(port), 30)
        assert child.pid != first


def test_what_ends_too_early_is_told_with_its_log(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo the port is taken; exit 3"]
    with (
        Child(name="broken", command=command, logs=tmp_path) as child,
        pytest.raises(LoadErrors, match="ended before it was ready") as told,
    ):
        child.wait_until(lambda: False, 30)
    assert "the port is taken" in str(told.value)


def test_what_is_never_ready_is_told(tmp_path: Path) -> None:
    with (
        Child(name="slow", command=["sleep", "60"], logs=tmp_path) as child,
        pytest.raises(LoadErrors, match="is not ready after 0 s"),
    ):
        child.wait_until(lambda: False, 0.1)


@pytest.mark.parametrize(("command", "told"), [("exit 3", "ended with 3"), ("sleep 60", "is not done after 0 s")])
def test_what_does_not_finish_is_told(command: str, told: str, tmp_path: Path) -> None:
    with (
        Child(name="tool", command=["sh", "-c", command], logs=tmp_path) as child,
        pytest.raises(LoadErrors, match=told),
    ):
        child.finish(0.5)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL, None], ids=["term", "kill", "exit"])
def test_it_ends_with_who_started_it(ending: signal.Signals | None, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", dedent(STARTS_ONE), str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdin is not None
        assert starter.stdout is not None
        group = int(starter.stdout.readline())
        assert _alive(group)
        if ending is not None:
            starter.send_signal(ending)
        starter.stdin.close()
        starter.wait(30)
    deadline = monotonic() + 30
    while _alive(group):
        assert monotonic() < deadline, "it lives on"
        sleep(0.05)


def _alive(group: int) -> bool:
    """Tell whether a process of a group runs; what has ended and nobody has asked after does not."""
    states = subprocess.run(
        ["ps", "-e", "-o", "pgid=,stat="], capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
    ).stdout
    return any(int(pgid) == group and not stat.startswith("Z") for pgid, stat in map(str.split, states.splitlines()))
