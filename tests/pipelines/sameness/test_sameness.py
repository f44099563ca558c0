"""The files of a run are the same bytes for any number of shards and files, hash seed, time zone and locale."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.sameness.playbooks import PLAYBOOKS

WAYS: dict[str, tuple[int, int, dict[str, str]]] = {
    "plain": (1, 1, {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"}),
    "shards": (4, 7, {"PYTHONHASHSEED": "1", "TZ": "Pacific/Chatham", "LC_ALL": "C.UTF-8"}),
    "more": (64, 1, {"PYTHONHASHSEED": "3", "TZ": "Asia/Kolkata", "LC_ALL": "C.UTF-8", "POLARS_MAX_THREADS": "1"}),
}
"""Name to shards, files of each type of signal, and environment."""

COMMAND = ("seconds", "settings")
"""The parts of `run.json` that say how a run was asked for, and how long it took."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run every playbook in every way, a process each, two at a time."""
    folder = tmp_path_factory.mktemp("sameness")
    for pair in (("plain", "more"), ("shards",)):
        started = [_start(folder / way, *WAYS[way]) for way in pair]
        ended = [(process.communicate()[1], process.returncode) for process in started]
        assert not any(code for _, code in ended), ended
    return folder


@pytest.mark.parametrize("way", [*WAYS][1:])
@pytest.mark.parametrize("name", PLAYBOOKS)
def test_files_are_equal(runs: Path, name: str, way: str) -> None:
    plain, other = (runs / one / name for one in ("plain", way))
    files = sorted(path.relative_to(plain) for path in plain.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    differ = [str(file) for file in files if file.name != "run.json" and _bytes(plain, file) != _bytes(other, file)]
    assert differ == []
    assert _record(plain) == _record(other)


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_there_is_something_to_compare(runs: Path, name: str) -> None:
    record = _record(runs / "plain" / name)
    assert min(record["outputs"][output] for output in ("transitions", "contexts", "offers")) > 10


def _start(out: Path, shards: int, files: int, environment: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.pipelines.sameness.runs", str(out), str(shards), str(files)]
    return subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)


def _bytes(folder: Path, file: Path) -> bytes:
    return (folder / file).read_bytes()


def _record(folder: Path) -> dict[str, Any]:
    """Return `run.json` without what tells how and where the run was asked for."""
    record = json.loads((folder / "run.json").read_text("utf-8"))
    playbooks = [{key: told for key, told in book.items() if key != "file"} for book in record["playbooks"]]
    return {key: told for key, told in record.items() if key not in COMMAND} | {"playbooks": playbooks}
