"""Outputs that only streams have."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

from pipelines.failures import BusyError
from pipelines.folders import held_alone
from pipelines.published import load_versions
from pipelines.stream import stream
from pipelines.stream_pipeline import build_stream
from schemas.errors import LoadErrors
from tests.pipelines.small import small_settings

OPERATIONS = ("operations", "kafka://localhost:9092/operations")


def steps(directory: Path, **given: Any) -> set[str]:
    """Return the labels of the steps of a stream over a folder."""
    watched = (("usage", f"{directory}/?watch"), ("balance", f"{directory}/balance.jsonl"))
    settings = small_settings(directory, as_of=2**42, signals=watched, **{"mode": "live", **given})
    pipeline = beam.Pipeline(BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"]))
    build_stream(pipeline, load_versions(settings.playbook, {}), settings)
    return {each.unique_name for each in pipeline.to_runner_api().components.transforms.values()}


@pytest.mark.parametrize("given", [{"max_offers_per_hour": 5}, {}, {"mode": "simulated"}])
def test_alerts_of_a_stream_go_to_files_or_where_they_are_published(tmp_path: Path, given: dict[str, Any]) -> None:
    assert "WriteStream 0/Name operations" in steps(tmp_path, **given)
    assert "PublishRecords/Name operations" in steps(tmp_path, publish=(OPERATIONS,), **given)


@pytest.mark.parametrize("held", ["out", "state"])
def test_no_two_runs_write_to_one_directory(tmp_path: Path, held: str) -> None:
    watched = (("usage", f"{tmp_path}/?watch"),)
    settings = small_settings(tmp_path, signals=watched, out=f"{tmp_path}/out", state_out=f"{tmp_path}/state")
    with held_alone({"--out": f"{tmp_path}/{held}"}), pytest.raises(BusyError, match=held):
        stream(settings)
    assert not [*tmp_path.glob("*/.*")]


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LoadErrors, match=r"--state-out: `.*` cannot be written to"):
        stream(small_settings(tmp_path, signals=(("usage", f"{tmp_path}/?watch"),), state_out=f"{tmp_path}/file/state"))


def test_what_is_no_output_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(LoadErrors, match="there is no such output\n    did you mean `operations`"):
        steps(tmp_path, publish=(("operation", OPERATIONS[1]),))
