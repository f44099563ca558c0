"""The town live, at its smallest."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.engines.places import prism_binary
from schemas.errors import LoadErrors
from tests.examples.commands import REPOSITORY


def test_offers_come_out_and_it_ends_by_itself(tmp_path: Path) -> None:
    try:
        prism_binary()
    except LoadErrors as error:
        pytest.skip(f"NOT TESTED with a live town: {error}")
    command = [sys.executable, "-m", "examples.live_town", "--out", str(tmp_path / "live"), "--subscribers", "200"]
    done = subprocess.run(
        [*command, "--minutes", "10"], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert " shown " in done.stdout
    assert "are replayed at 60 times their speed" in done.stdout
    assert " 0 rejected" in done.stdout
