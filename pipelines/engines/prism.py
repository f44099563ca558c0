"""Prism, Beam's local engine for streams: one program that keeps all state in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.engines.children import Child, free_port, listening
from pipelines.engines.places import prism_binary


@dataclass(frozen=True)
class Prism:
    """A Prism that runs.

    Attributes:
        job_endpoint: Where it takes jobs; `PrismRunner` with `--job_endpoint` uses it instead of one of its own.
        child: Its process.
    """

    job_endpoint: str
    child: Child


@contextmanager
def prism(logs: Path, *, port: int | None = None) -> Iterator[Prism]:
    """Run a Prism until the end of the context.

    Args:
        logs: The folder of its log.
        port: Where it takes jobs; a free one by default.

    Raises:
        LoadErrors: it is not on this machine, or does not start.
    """
    port = port or free_port()
    command = [str(prism_binary()), f"--job_port={port}", "--serve_http=false", "--log_kind=text", "--log_level=warn"]
    with Child(name="prism", command=command, logs=logs) as child:
        child.wait_until(lambda: listening(port), 120)
        yield Prism(f"localhost:{port}", child)
