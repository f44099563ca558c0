"""What a run starts for its engine is there for as long as the run."""

from pipelines.engines.children import listening
from pipelines.engines.running import running
from pipelines.runner_options import value_of

JOBS = "--job_endpoint=here:8099"


def test_files_on_flink_get_a_pool_of_workers_that_ends_with_the_run() -> None:
    with running("flink", [JOBS]) as options:
        assert value_of("environment_type", options) == "EXTERNAL"
        port = int(str(value_of("environment_config", options)).removeprefix("localhost:"))
        assert listening(port)
    assert not listening(port)


def test_workers_that_are_named_are_taken() -> None:
    given = [JOBS, "--environment_type=EXTERNAL", "--environment_config=here:50000"]
    with running("flink", given) as options:
        assert value_of("environment_config", options) == "here:50000"
