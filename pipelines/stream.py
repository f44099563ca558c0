"""One stream: a pipeline that reads what does not end, until all of it has ended or somebody stops it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Event
from time import monotonic, time
from typing import Any

import apache_beam as beam
import structlog
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState
from grpc import RpcError

from pipelines.cuts import shards_before
from pipelines.engines.flink_end import FlinkEnd, named
from pipelines.engines.running import running
from pipelines.failures import StreamFailedError
from pipelines.folders import held_alone
from pipelines.published import load_versions
from pipelines.pullers import close_readers
from pipelines.run import check
from pipelines.settings import RunSettings
from pipelines.shards import shards_of_machine
from pipelines.stream_pipeline import build_stream
from transforms.metrics.tally import TALLY
from transforms.shell.stream_source import acknowledge_last

_log = structlog.get_logger()

_ENDED = (PipelineState.DONE, PipelineState.DRAINED, PipelineState.UPDATED)

LOOK_EVERY = 1.0
"""Seconds between looks at the counts of a stream."""


Counts = Mapping[tuple[str, str], int]
"""Counters by namespace and name."""


@dataclass(frozen=True)
class Streamed:
    """What came of a stream.

    Attributes:
        counts: What was counted; nothing where the workers are other processes.
        seconds: For how long it ran.
    """

    counts: Counts
    seconds: float

    def summary(self) -> str:
        """Return what went in and out, for people."""
        known = {name: self.counts.get(("signals", name), 0) for name in ("in", "applied", "duplicates", "rejected")}
        out = ", ".join(f"{n:,} {name}" for (space, name), n in sorted(self.counts.items()) if space == "published")
        told = ", ".join(f"{count:,} {name}" for name, count in known.items())
        if not self.counts:
            return f"ran {self.seconds:.1f} s; its workers serve what they count where SEGONE_METRICS_PORT names a port"
        floods = [f"{n:,} minutes of {feed}" for (space, feed), n in sorted(self.counts.items()) if space == "floods"]
        flood = f"\nMORE WAS REJECTED THAN --alert-rejected ALLOWS: {', '.join(floods)}" if floods else ""
        return f"signals: {told}{flood}\npublished: {out or 'nothing'}\nran {self.seconds:.1f} s"


def stream(settings: RunSettings, look: Callable[[Counts], None] = lambda counts: None) -> Streamed:
    """Run until all addresses have ended; an interrupt cancels the job.

    Args:
        settings: What to read and where to publish.
        look: Given the counts once a second.

    Raises:
        BusyError: another run writes to `--out` or `--state-out`.
        LoadErrors: mistakes in the playbook or the sources; files, topics or engines that are not there.
        StreamFailedError: the job failed.
    """
    began = monotonic()
    as_of = int(time() * 1000) if settings.as_of is None else settings.as_of
    books = load_versions(settings.playbook, dict(settings.lets))
    check(settings, books.first.tick)
    shards = settings.shards or shards_before(settings) or shards_of_machine()
    window = settings.state_every if settings.state_out else settings.file_window
    folders = held_alone({"--out": settings.out, "--state-out": settings.state_out})
    with folders, running(settings.engine, settings.beam_options, stream=True) as told:
        options, end = named(told)
        if end is not None:
            end.check()
        pipeline = beam.Pipeline(options=PipelineOptions(options))
        build_stream(pipeline, books, replace(settings, as_of=as_of, shards=shards, file_window=window))
        _log.info("stream starts", playbook=books.first.playbook, engine=settings.engine)
        result = pipeline.run()
        try:
            state = _end_of(result, look, end)
        except RpcError as error:
            raise StreamFailedError("the engine is gone; start again, from the last cut if there is one") from error
        except BaseException:
            with suppress(Exception):  # it may be over by itself, or its engine gone
                (result if end is None else end).cancel()
            raise
        if state not in _ENDED:
            raise StreamFailedError(f"the job ended as {state}; the engine's log says why")
        if settings.state_out is not None:
            acknowledge_last(settings.state_out)
        close_readers()
        return Streamed(counted(), monotonic() - began)


def _end_of(result: PipelineResult, look: Callable[[Counts], None], end: FlinkEnd | None) -> Any:
    """Wait until a job is over; return as what."""
    waiting = Event()
    while not PipelineState.is_terminal(result.state):
        look(counted())
        if end is not None and end.is_there():
            return PipelineState.DONE
        waiting.wait(LOOK_EVERY)
    return result.state


def counted() -> Counts:
    """Return what workers in this process counted; engines tell little of a job that runs."""
    return {key: value for key, value in TALLY.values().items() if isinstance(value, int)}
