"""A run on an engine: what Beam is told, and a server of our own where the engine is one that we start."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.engines.prism import prism
from pipelines.engines.worker_pool import pool_options, worker_pool
from pipelines.runner_options import ENGINES, beam_arguments, engine_of, is_given

_OWN_PRISM = ("job_endpoint", "prism_location")
"""Options with which Prism is the user's."""


@contextmanager
def running(engine: str, given: Sequence[str], *, stream: bool = False) -> Iterator[list[str]]:
    """Give the options for Beam while what they need is there, as long as the context and no longer.

    That is Prism; for files on Flink, where the user names no workers, a pool of them.

    Args:
        engine: As `--engine` takes it.
        given: The user's own options of Beam.
        stream: Whether the input does not end.

    Raises:
        ValueError: an option or engine that is refused.
        LoadErrors: the engine is not on this machine.
    """
    arguments, chosen = beam_arguments(engine, given, stream=stream), engine_of(engine)
    with TemporaryDirectory(prefix="segone-") as logs:
        if chosen is ENGINES["prism"] and not any(is_given(option, given) for option in _OWN_PRISM):
            with prism(Path(logs)) as started:
                yield [*arguments, f"--job_endpoint={started.job_endpoint}"]
        elif chosen is ENGINES["flink"] and not is_given("environment_type", given):
            with worker_pool(Path(logs)) as workers:
                yield [*arguments, *pool_options(workers.address)]
        else:
            yield arguments
