"""Outputs that only streams have."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

from pipelines.published import load_versions
from pipelines.stream_pipeline import build_stream
from schemas.errors import LoadErrors
from tests.pipelines.small import small_settings

OPERATIONS = ("operations", "kafka://localhost:9092/operations")


def steps(directory: Path, **given: Any) -> set[str]:
    """Return the labels of the steps of a stream over a folder."""
    watched = (("usage", f"{directory}/?watch"), ("balance", f"{directory}/balance.jsonl"))
    settings = small_settings(directory, as_of=2**42, signals=watched, mode="live", **given)
    pipeline = beam.Pipeline(BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"]))
    build_stream(pipeline, load_versions(settings.playbook, {}), settings)
    return {each.unique_name for each in pipeline.to_runner_api().components.transforms.values()}


def test_alerts_of_a_limited_stream_go_to_files_or_where_they_are_published(tmp_path: Path) -> None:
    assert "WriteStream 0/Name operations" in steps(tmp_path, max_offers_per_hour=5)
    assert "PublishRecords/Name operations" in steps(tmp_path, max_offers_per_hour=5, publish=(OPERATIONS,))


def test_alerts_of_a_stream_without_a_limit_are_no_output(tmp_path: Path) -> None:
    assert not any("operations" in step for step in steps(tmp_path))
    with pytest.raises(LoadErrors, match="a live stream with --max-offers-per-hour has it"):
        steps(tmp_path, publish=(OPERATIONS,))
