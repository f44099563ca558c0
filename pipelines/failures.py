"""How a command ends other than well; each has an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.visible import visible


class Failure(Exception):
    """Something that the user has to know, told without a traceback."""

    exit_code = 1


class MissingExtraError(Failure):
    """What is asked for needs a package that is not installed."""


@contextmanager
def pages_needed() -> Iterator[None]:
    """Tell what to install where what draws pages is missing.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise MissingExtraError("--html needs Matplotlib: pip install 'segment-of-one[pages]'") from error


@contextmanager
def streams_needed() -> Iterator[None]:
    """Tell what to install where a client of a broker is missing.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("confluent_kafka", "google"):
            raise
        told = f"a stream needs {error.name}: pip install 'segment-of-one[streams]'"
        raise MissingExtraError(told) from error


class NoOutputsError(Failure):
    """A directory has no outputs of a run."""


class UnknownSubjectError(Failure):
    """The run wrote nothing about the subject."""


class BusyError(Failure):
    """Another process is writing to the same folder."""


class TooManyRejectedError(Failure):
    """More signals were rejected than `--max-rejected` allows."""

    exit_code = 3


class StreamFailedError(Failure):
    """The job of a stream ended otherwise than with its input."""


class SignalsLostError(Failure):
    """The counts of a run do not add up: its outputs cannot be trusted."""

    exit_code = 4


@contextmanager
def outputs_needed(out: str) -> Iterator[None]:
    """Tell of files that are not there, while the Parquet outputs of a run are read.

    Raises:
        NoOutputsError: naming the directory and what to give.
    """
    needed = "give the directory that `segone run --out` wrote Parquet to"
    if Path(out).is_dir() and not (Path(out) / "run.json").is_file():
        raise NoOutputsError(f"no whole outputs of a run in {visible(out)}: run.json is missing; {needed}")
    try:
        yield
    except OSError as error:
        if not (isinstance(error, FileNotFoundError) or Path(out).is_file()):
            raise
        raise NoOutputsError(f"no outputs of a run in {visible(out)}: {needed}") from error
