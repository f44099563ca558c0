"""Every engine gets what it needs to be exact, and nobody overrides it in silence."""

import pytest
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, StandardOptions
from apache_beam.runners import create_runner
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.runner_options import ENGINES, beam_arguments

FN_API = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


@pytest.mark.parametrize(
    ("runner", "given", "expected"),
    [
        ("FnApiRunner", [], [f"--runner={FN_API}", "--max_cache_memory_usage_mb=0"]),
        ("DirectRunner", [], [f"--runner={FN_API}", "--max_cache_memory_usage_mb=0"]),
        ("direct", ["--direct_num_workers=2"], ["--direct_num_workers=2", f"--runner={FN_API}"]),
        ("PrismRunner", [], ["--experiments=prism_disable_sdf_split", "--environment_type=LOOPBACK"]),
        ("prism", ["--experiments=other"], ["--experiments=other", "--experiments=prism_disable_sdf_split"]),
        ("BundleBasedDirectRunner", [], ["--streaming"]),
        ("FlinkRunner", ["--flink_master=here:8081"], ["--flink_master=here:8081", "--max_bundle_time_mills=100"]),
        ("portable", [], ["--checkpointing_interval=3000", "--finish_bundle_before_checkpointing"]),
        ("PortableRunner", ["--checkpointing_interval=3000"], ["--checkpointing_interval=3000"]),
        ("DataflowRunner", ["--project=p"], ["--project=p", "--max_cache_memory_usage_mb=0"]),
    ],
)
def test_what_an_engine_gets(runner: str, given: list[str], expected: list[str]) -> None:
    assert set(expected) <= set(beam_arguments(runner, given))


@pytest.mark.parametrize(
    ("runner", "given", "message"),
    [
        ("Prisn", [], "no engine `Prisn`; did you mean `PrismRunner`?"),
        ("FnApiRunner", ["usage=x"], "`usage=x` is not expected here"),
        ("FnApiRunner", ["--runner=PrismRunner"], "name the engine before `--`"),
        ("FnApiRunner", ["--max_cache_memory_usage_mb=100"], "every run sets --max_cache_memory_usage_mb=0"),
        ("FnApiRunner", ["--max_cache_memory_usage_mb", "100"], "every run sets --max_cache_memory_usage_mb=0"),
        ("FnApiRunner", ["--max_cache_mem=100"], "every run sets --max_cache_memory_usage_mb=0"),
        ("FnApiRunner", ["--streaming"], "FnApiRunner gives its outputs when the input ends"),
        ("PrismRunner", ["--environment-type=DOCKER"], "every run sets --environment_type=LOOPBACK"),
        ("FlinkRunner", ["--checkpointing_interval=60000"], "every run sets --checkpointing_interval=3000"),
        ("FlinkRunner", ["--no_finish_bundle_before_checkpointing"], "leave it out"),
        ("FlinkRunner", ["--shutdown_sources_after_idle_ms=1"], "a job ends after one round of reading"),
    ],
)
def test_what_is_refused(runner: str, given: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beam_arguments(runner, given)


@pytest.mark.parametrize(
    ("runner", "expected"),
    [("FnApiRunner", FnApiRunner), ("DirectRunner", FnApiRunner), ("BundleBasedDirectRunner", BundleBasedDirectRunner)],
)
def test_beam_makes_the_pinned_runner(runner: str, expected: type) -> None:
    options = PipelineOptions(beam_arguments(runner, []))
    assert type(create_runner(options.view_as(StandardOptions).runner)) is expected
    assert options.get_all_options()["max_cache_memory_usage_mb"] == 0


def test_prism_keeps_the_experiments_of_both() -> None:
    options = PipelineOptions(beam_arguments("PrismRunner", ["--experiments=other"]))
    assert options.view_as(DebugOptions).experiments == ["other", "prism_disable_sdf_split"]


def test_every_engine_has_a_name_that_beam_knows() -> None:
    for name in ENGINES:
        (argument,) = (each for each in beam_arguments(name, []) if each.startswith("--runner="))
        assert create_runner(argument.removeprefix("--runner=")) is not None
