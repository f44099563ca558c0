"""A cluster of Flink for tests, with a pool of workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.engines.flink import Flink, flink
from pipelines.engines.places import classpath
from schemas.errors import LoadErrors


@contextmanager
def flink_cluster(folder: Path, **environment: str) -> Iterator[Flink]:
    """Run a cluster whose workers have an environment; skips loudly where there is no Flink on this machine."""
    try:
        classpath("flink")
    except LoadErrors as error:
        pytest.skip(f"NOT TESTED on Flink: {error}")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with flink(folder, heap=600) as cluster:
            yield cluster
