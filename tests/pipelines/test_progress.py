"""A run tells what it is doing, and leaves the logs as they were."""

import logging
from pathlib import Path

from pipelines.progress import steps_told
from pipelines.run import run
from tests.pipelines.small import small_settings


def test_the_parts_of_a_run_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    with steps_told(told.append):
        run(small_settings(tmp_path))
    assert {*told} == {*("reading signals", "tracking contexts, deciding offers", "deciding offers", "writing outputs")}
    bundles = logging.getLogger("apache_beam.runners.portability.fn_api_runner.fn_runner.run_bundle")
    assert (bundles.handlers, bundles.propagate, bundles.level) == ([], True, logging.NOTSET)
