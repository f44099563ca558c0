"""Pub/Sub on Dataflow: read by Dataflow itself, and what that cannot do is refused at the start."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.common_urns import composites

from pipelines.native_rules import lag_of, refusals
from pipelines.published import load_versions
from pipelines.runner_options import beam_arguments
from pipelines.settings import RunSettings
from pipelines.stream_pipeline import build_stream
from schemas.addresses import parse_address
from tests.pipelines.small import small_settings

CLOUD = ("--project=a-project", "--region=r", "--temp_location=gs://a-bucket/tmp")
USAGE, BALANCE = ("usage", "pubsub://a-project/usage"), ("balance", "pubsub://a-project/balance?linger=1s")
TABLE, TOPIC = ("decisions", "bigquery://a-project/d/t"), ("offers", "pubsub://a-project/offers")


def settings_of(directory: Path, *signals: tuple[str, str], **given: Any) -> RunSettings:
    options = {"as_of": 2**42, "mode": "live", "engine": "dataflow", "beam_options": CLOUD, "shards": 2, **given}
    return small_settings(directory, signals=signals, **options)


def built(settings: RunSettings) -> beam.Pipeline:
    """Return the pipeline that Dataflow would get, without asking it anything."""
    options = [*beam_arguments("dataflow", CLOUD, stream=True), "--dry_run=True", "--sdk_location=container"]
    pipeline = beam.Pipeline(options=PipelineOptions(options))
    build_stream(pipeline, load_versions(settings.playbook, {}), settings)
    return pipeline


def steps_of(pipeline: beam.Pipeline) -> dict[str, str]:
    return {each.unique_name: each.spec.urn for each in pipeline.to_runner_api().components.transforms.values()}


def test_dataflow_makes_a_job_that_reads_by_itself(tmp_path: Path) -> None:
    pipeline = built(settings_of(tmp_path, USAGE, BALANCE, publish=(TABLE, TOPIC)))
    steps = steps_of(pipeline)
    natives = {name for name, urn in steps.items() if urn == composites.PUBSUB_READ.urn}
    assert natives == {"ReadPubSub usage/Read", "ReadPubSub balance/Read"}
    assert not any("UnboundedSource" in name or name.startswith("ReadStream") for name in steps)
    job = pipeline.run().job  # type: ignore[attr-defined]  # of a dry run
    assert job.proto.type_.name == "JOB_TYPE_STREAMING"
    made = pipeline.runner.proto_pipeline.components.transforms.values()
    assert sum(each.spec.urn == composites.PUBSUB_READ.urn for each in made) == 2


def test_our_reader_reads_kafka_beside_it_and_what_is_to_be_its_own(tmp_path: Path) -> None:
    steps = steps_of(built(settings_of(tmp_path, ("usage", "kafka://here:9092/usage"), BALANCE)))
    assert "ReadStream" in steps
    assert [name for name, urn in steps.items() if urn == composites.PUBSUB_READ.urn] == ["ReadPubSub balance/Read"]
    own = ("usage", "pubsub://a-project/usage?own")
    kept = settings_of(tmp_path, own, publish=(TOPIC,), state_out=str(tmp_path / "state"))
    assert composites.PUBSUB_READ.urn not in steps_of(built(kept)).values()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("ends=10s", "tells no end: leave out `ends` and stop the job, or add `own` to its options"),
        ("replay", "so what is of long ago is late: leave out `replay`, or add `own`"),
        ("idle=1m", "knows by itself how far it is: leave out `idle`, or add `own`"),
        ("patience=1m", "leave out `patience`"),
    ],
)
def test_what_it_cannot_do_is_refused(tmp_path: Path, options: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"--signals usage: dataflow reads pubsub://a-project/usage itself.*{told}"):
        settings_of(tmp_path, ("usage", f"pubsub://a-project/usage?{options}"))
    settings_of(tmp_path, ("usage", f"pubsub://a-project/usage?{options}&own"))


def test_cuts_need_our_reader(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--state-out: dataflow reads usage itself, and acknowledges what no cut has"):
        settings_of(tmp_path, USAGE, ("balance", "pubsub://a-project/balance?own"), state_out="there")


def test_a_project_that_beam_does_not_know_is_told() -> None:
    streams = [("usage", parse_address("pubsub://P/usage"))]
    assert [*refusals("DataflowRunner", streams, None)] == [
        "--signals usage: DataflowRunner reads pubsub://P/usage itself, which knows no project `P`: "
        "write its id, as `my-project`"
    ]
    assert [*refusals("flink", streams, "there")] == []


@pytest.mark.parametrize(("engine", "lag"), [("dataflow", 61_000), ("prism", 0), ("flink", 0)])
def test_who_goes_by_publish_times_waits_for_the_grace_and_the_longest_linger(engine: str, lag: int) -> None:
    streams = [(name, parse_address(text)) for name, text in (USAGE, BALANCE)]
    assert lag_of(engine, streams, 60_000) == lag
