"""Every benchmark runs once at its smallest size, its answers checked: what is not run rots."""

import subprocess
import sys
from pathlib import Path

from benchmarks.engines import engines
from tests.examples.commands import REPOSITORY


def test_make_bench_reaches_its_end(tmp_path: Path) -> None:
    results = tmp_path / "results.md"
    command = [sys.executable, "-m", "benchmarks", "--smallest", "--results", str(results)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = results.read_text("utf-8")
    assert [engine.name for engine in engines() if "tiny" in engine.sizes and f"| {engine.name} |" not in written] == []
    assert "## Bars" in written
