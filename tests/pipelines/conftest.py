"""One small run that many tests look at."""

from pathlib import Path

import pytest

from pipelines.run import run
from tests.pipelines.small import small_settings


@pytest.fixture(scope="session")
def small_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of the small run."""
    directory = tmp_path_factory.mktemp("small")
    run(small_settings(directory))
    return directory / "out"
