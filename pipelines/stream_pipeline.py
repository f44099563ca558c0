"""The whole path as a stream: signals from brokers and folders, contexts, decisions, outputs on topics and in files."""

from typing import Any

import apache_beam as beam

from pipelines.cuts import cuts_of, save, seeds_of, take_blobs
from pipelines.inputs import Input, inputs_of
from pipelines.offers_pipeline import outputs_of, parse_files, parsing_of
from pipelines.pullers import readers
from pipelines.settings import RunSettings
from pipelines.steps import Signals, Steps
from pipelines.targets import check_outputs, publish
from schemas.versions import Versions
from transforms.count_rejected import CountRejected
from transforms.guard_offers import GuardOffers
from transforms.read_stream import ReadStream
from transforms.shell.timers import Backlog
from transforms.shell.versions import load_all_offers


def build_stream(pipeline: beam.Pipeline, versions: Versions, settings: RunSettings) -> None:
    """Put the steps of a stream into a pipeline: read, track, decide, describe, publish.

    Args:
        pipeline: To add to.
        versions: What to track and offer.
        settings: What to read and where to publish, `as_of` (the launch) and `shards` included.

    Raises:
        LoadErrors: mistakes in expressions or sources, files, topics or outputs that are not there.
    """
    assert settings.as_of is not None, "the launch says what is now"
    tick = versions.first.tick
    steps = Steps(
        versions=versions,
        bounded=False,
        shards=settings.shards,
        mode=settings.mode,
        complete_from=settings.complete_from,
        backlog=Backlog(
            until=settings.as_of // tick * tick, span=max(settings.span // tick, 1) * tick, last=settings.until
        ),
        cuts=cuts_of(settings, tick),
    )
    signals, rejected = _read(pipeline, steps, settings)
    records = steps.records(signals)
    blobs = take_blobs(records)
    if settings.mode == "live":
        guarded = _guarded(records["offers"], signals, steps, settings)
        rejected = (*rejected, guarded.pop("refused"))
        blobs += take_blobs(guarded)
        records |= guarded
    outputs = outputs_of(load_all_offers(versions, settings.mode).plans[0], settings.formats, records)
    check_outputs(settings, outputs)
    records["rejected"] = (*rejected, records["rejected"]) | "AllRejected" >> beam.Flatten() | CountRejected()
    save(blobs, publish(records, outputs, settings), steps, settings, signals.since)


def _guarded(offers: Any, signals: Signals, steps: Steps, settings: RunSettings) -> dict[str, Any]:
    """Return the offers that may go out, and those that may not."""
    guard = GuardOffers(most=settings.max_offers_per_hour, backlog=steps.backlog, cuts=steps.cuts)
    mine = signals.seed("guard_offers")
    seeds = {"seeds": mine[0]} if mine else {}
    guarded: dict[str, Any] = {"offers": offers, **seeds} | "GuardOffers" >> guard
    return guarded


def _read(pipeline: beam.Pipeline, steps: Steps, settings: RunSettings) -> tuple[Signals, tuple[Any, ...]]:
    """Return signals by shard, with what shards are told of silent sources; and what was rejected."""
    inputs = inputs_of(steps.versions, settings)
    parsed, rejected = parse_files(pipeline, [one for one in inputs if one.patterns], steps.contexts, settings)
    streamed = pipeline | "ReadStream" >> _stream(inputs, steps, settings)
    every = (*parsed, streamed)
    signals = tuple(one.signals for one in every)
    groups = tuple(one.groups for one in every) if steps.grouped else ()
    controls = () if steps.contexts.controls is None else tuple(one.controls for one in every)
    taken = Signals(
        subscribers=signals,
        groups=groups,
        watched=(*signals, *groups),
        controls=controls,
        **seeds_of(pipeline, steps, settings),
    )
    return taken, (*rejected, streamed.rejected)


def _stream(inputs: list[Input], steps: Steps, settings: RunSettings) -> ReadStream:
    contexts = steps.contexts
    return ReadStream(
        inputs=readers(inputs, contexts.columns),
        payloads=contexts.columns,
        **parsing_of(contexts, settings),
        grace=steps.versions.first.grace,
        cuts=settings.state_out,
    )
