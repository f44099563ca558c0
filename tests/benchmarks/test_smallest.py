"""Every benchmark runs once at its smallest size, its answers checked: what is not run rots."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.bar import Bar
from benchmarks.engines import engines
from benchmarks.streams.bars import bars_of, rows_of_latencies, rows_of_rates
from benchmarks.streams.section import smallest
from pipelines.engines.places import prism_binary
from schemas.errors import LoadErrors
from tests.examples.commands import REPOSITORY
from tests.servers.kafka import needs_kafka


def test_make_bench_reaches_its_end(tmp_path: Path) -> None:
    results = tmp_path / "results.md"
    command = [sys.executable, "-m", "benchmarks", "--smallest", "--without-streams", "--results", str(results)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = results.read_text("utf-8")
    assert [engine.name for engine in engines() if f"| {engine.name} |" not in written] == []
    assert "## Bars" in written


def test_streams_are_measured_between_kafka_and_prism() -> None:
    """Rates, latency, a burst, a soak; the offers of what is caught up with are those of the reference."""
    needs_kafka()
    try:
        prism_binary()
    except LoadErrors as error:
        pytest.skip(f"NOT TESTED on Prism: {error}")
    found = smallest()
    assert all(isinstance(bar, Bar) for one in found for bar in bars_of(one))
    assert (len(rows_of_rates(found)), len(rows_of_latencies(found))) == (3, 2)
