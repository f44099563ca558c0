"""One small run that many tests look at."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from pipelines.run import run
from tests.pipelines.small import small_settings


@pytest.fixture(scope="session")
def small_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of the small run."""
    directory = tmp_path_factory.mktemp("small")
    run(small_settings(directory))
    return directory / "out"


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """What a command sets up of logging is undone."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()
