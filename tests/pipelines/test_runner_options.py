"""Every engine gets what it needs to be exact, and nobody overrides it in silence."""

import pytest
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, StandardOptions
from apache_beam.runners import create_runner
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.runner_options import ENGINES, RUNNERS, beam_arguments, value_of

FN_API = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
JOBS = "--job_endpoint=here:8099"
CLOUD = ["--project=p", "--region=r", "--temp_location=gs://b/t"]
POOL = ["--environment_type=EXTERNAL", "--environment_config=here:50000"]


@pytest.mark.parametrize(
    ("engine", "given", "expected"),
    [
        ("direct", [], [f"--runner={FN_API}", "--max_cache_memory_usage_mb=0"]),
        ("FnApiRunner", [], [f"--runner={FN_API}", "--max_cache_memory_usage_mb=0"]),
        ("DirectRunner", [], [f"--runner={FN_API}", "--max_cache_memory_usage_mb=0"]),
        ("direct", ["--direct_num_workers=2"], ["--direct_num_workers=2", f"--runner={FN_API}"]),
        ("prism", [], ["--experiments=prism_disable_sdf_split", "--environment_type=LOOPBACK"]),
        ("PrismRunner", ["--experiments=other"], ["--experiments=other", "--experiments=prism_disable_sdf_split"]),
        ("BundleBasedDirectRunner", [], ["--streaming"]),
        ("FlinkRunner", ["--flink_master=here:8081"], ["--flink_master=here:8081", "--max_bundle_time_mills=100"]),
        ("flink", [JOBS], ["--checkpointing_interval=3000", "--finish_bundle_before_checkpointing"]),
        ("flink", [JOBS, "--environment_type=LOOPBACK"], ["--runner=PortableRunner", "--environment_type=LOOPBACK"]),
        ("flink", ["--job-endpoint", "here:8099"], ["--runner=PortableRunner"]),
        ("PortableRunner", [JOBS, "--checkpointing_interval=3000"], ["--checkpointing_interval=3000"]),
        ("flink", [JOBS, "--foo=bar"], ["--foo=bar"]),
        ("dataflow", [*CLOUD, "--foo=bar"], ["--foo=bar"]),
        ("dataflow", CLOUD, [*CLOUD, "--runner=DataflowRunner", "--max_cache_memory_usage_mb=0"]),
        ("DataflowRunner", CLOUD, ["--runner=DataflowRunner"]),
    ],
)
def test_what_an_engine_gets(engine: str, given: list[str], expected: list[str]) -> None:
    assert set(expected) <= set(beam_arguments(engine, given))


@pytest.mark.parametrize(
    ("engine", "given", "expected"),
    [
        ("prism", [], ["--streaming", "--experiments=prism_disable_sdf_split"]),
        ("flink", [JOBS, *POOL], ["--streaming", *POOL]),
        ("FlinkRunner", POOL, ["--streaming"]),
        ("dataflow", CLOUD, ["--streaming", "--enable_streaming_engine"]),
    ],
)
def test_what_a_stream_gets_besides(engine: str, given: list[str], expected: list[str]) -> None:
    assert set(expected) <= set(beam_arguments(engine, given, stream=True))
    assert "--streaming" not in beam_arguments(engine, given)


def test_whose_workers_a_job_has_is_set_once() -> None:
    environments = [each for each in beam_arguments("flink", [JOBS, *POOL]) if each.startswith("--environment_type")]
    assert environments == ["--environment_type=EXTERNAL"]


@pytest.mark.parametrize(
    ("engine", "given", "message"),
    [
        ("prisn", [], "no engine `prisn`; did you mean `prism`?"),
        ("spark", [], "no engine `spark`; known: "),
        ("direct", ["usage=x"], "`usage=x` is not expected here"),
        ("direct", ["--runner=PrismRunner"], "name the engine before `--`, as --engine NAME"),
        ("direct", ["--max_cache_memory_usage_mb=100"], "every run sets --max_cache_memory_usage_mb=0"),
        ("direct", ["--max_cache_memory_usage_mb", "100"], "every run sets --max_cache_memory_usage_mb=0"),
        ("direct", ["--max_cache_mem=100"], "every run sets --max_cache_memory_usage_mb=0"),
        ("direct", ["--foo=bar"], "--foo: Beam has no such option; leave it out"),
        ("direct", ["--direct_num_worker", "2"], "--direct_num_worker: Beam has no such option; did you mean"),
        ("prism", ["--no_foo"], "--no_foo: Beam has no such option"),
        ("BundleBasedDirectRunner", ["--foo"], "--foo: Beam has no such option"),
        ("direct", ["--streaming"], "FnApiRunner gives its outputs when the input ends"),
        ("prism", ["--environment-type=DOCKER"], "every run sets --environment_type=LOOPBACK"),
        ("prism", ["--streaming"], "a run is a stream if one of its --signals does not end"),
        ("flink", [JOBS, "--checkpointing_interval=60000"], "every run sets --checkpointing_interval=3000"),
        ("flink", [JOBS, "--no_finish_bundle_before_checkpointing"], "leave it out"),
        ("flink", [JOBS, "--shutdown_sources_after_idle_ms=1"], "a job ends after one round of reading"),
        ("flink", [], "--engine flink needs, after `--`, --job_endpoint: HOST:PORT of Beam's job server"),
        ("dataflow", ["--project=p"], "--region: where it runs, as europe-west1; --temp_location: a folder"),
    ],
)
def test_what_is_refused(engine: str, given: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beam_arguments(engine, given)


@pytest.mark.parametrize(
    ("engine", "given", "message"),
    [
        ("direct", [], "FnApiRunner gives its outputs when the input ends; use --engine prism or flink"),
        ("flink", [JOBS], "--environment_type: a stream outlives its launcher"),
        ("flink", POOL, "--job_endpoint: HOST:PORT"),
    ],
)
def test_what_is_refused_of_a_stream(engine: str, given: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beam_arguments(engine, given, stream=True)


def test_the_end_of_a_stream_on_flink_is_seen_at_its_jobmanager() -> None:
    with pytest.raises(ValueError, match="--flink_master: HOST:PORT of Flink's JobManager"):
        beam_arguments("flink", [JOBS, *POOL], stream=True, ends=True)
    told = beam_arguments("flink", [JOBS, *POOL, "--flink_master=here:8081"], stream=True, ends=True)
    assert "--flink_master=here:8081" in told


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ([], None),
        (["--flink_master=here:8081"], "here:8081"),
        (["--flink-master", "here:8081", "--other"], "here:8081"),
        (["--flink_master=one:1", "--flink_master=two:2"], "two:2"),
        (["--flink_master_of=one:1", "flink_master"], None),
    ],
)
def test_the_last_value_of_an_option_holds(given: list[str], value: str | None) -> None:
    assert value_of("flink_master", given) == value


@pytest.mark.parametrize(
    ("engine", "expected"),
    [("direct", FnApiRunner), ("DirectRunner", FnApiRunner), ("BundleBasedDirectRunner", BundleBasedDirectRunner)],
)
def test_beam_makes_the_pinned_runner(engine: str, expected: type) -> None:
    options = PipelineOptions(beam_arguments(engine, []))
    assert type(create_runner(options.view_as(StandardOptions).runner)) is expected
    assert options.get_all_options()["max_cache_memory_usage_mb"] == 0


def test_prism_keeps_the_experiments_of_both() -> None:
    options = PipelineOptions(beam_arguments("prism", ["--experiments=other"]))
    assert options.view_as(DebugOptions).experiments == ["other", "prism_disable_sdf_split"]


def test_every_engine_has_a_name_that_beam_knows() -> None:
    for name in (*ENGINES, *RUNNERS):
        (argument,) = (each for each in beam_arguments(name, [JOBS, *CLOUD]) if each.startswith("--runner="))
        assert create_runner(argument.removeprefix("--runner=")) is not None
