"""The whole path as a stream: signals from brokers and folders, contexts, decisions, outputs on topics and in files."""

from collections.abc import Sequence
from typing import Any

import apache_beam as beam

from pipelines.cuts import cuts_of, save, seeds_of, take_blobs
from pipelines.inputs import Input, inputs_of
from pipelines.native import part, read_native, subscribed_of
from pipelines.native_rules import lag_of
from pipelines.offers_pipeline import outputs_of, parse_files, parsing_of
from pipelines.pullers import readers
from pipelines.settings import RunSettings
from pipelines.steps import Signals, Steps
from pipelines.targets import check_outputs, publish
from schemas.offer import source_of
from schemas.versions import Versions
from transforms.count_rejected import CountRejected
from transforms.guard_offers import GuardOffers
from transforms.read_stream import ReadStream
from transforms.shell.timers import Backlog
from transforms.shell.versions import load_all_offers
from transforms.sinks.operations import OPERATIONS


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
    tick, grace = versions.first.tick, versions.first.grace
    steps = Steps(
        versions=versions,
        bounded=False,
        shards=settings.shards,
        mode=settings.mode,
        decide_from=settings.decide_from,
        complete_from=settings.complete_from,
        backlog=Backlog(
            until=settings.as_of // tick * tick,
            span=max(settings.span // tick, 1) * tick,
            last=settings.until,
            lag=lag_of(settings.engine, settings.streams, grace),
        ),
        cuts=cuts_of(settings, tick),
    )
    signals, rejected, told = _read(pipeline, steps, settings)
    records = steps.records(signals)
    blobs = take_blobs(records)
    if settings.mode == "live":
        guarded = _guarded(records["offers"], signals, steps, settings)
        rejected = (*rejected, guarded.pop("refused"))
        blobs += take_blobs(guarded)
        told = (*told, *([guarded.pop(OPERATIONS)] if OPERATIONS in guarded else []))
        records |= guarded
    records[OPERATIONS] = told | "Operations" >> beam.Flatten()
    offers = load_all_offers(versions, settings.mode).plans[0]
    outputs, lines = (outputs_of(offers, formats, records) for formats in (settings.formats, ("jsonl",)))
    check_outputs(settings, outputs)
    records["rejected"] = (*rejected, records["rejected"]) | "AllRejected" >> beam.Flatten() | CountRejected()
    done = publish(records, outputs, lines, settings, steps.lag)
    save(blobs, records["receipts"], done, steps, settings, signals.since)


def _guarded(offers: Any, signals: Signals, steps: Steps, settings: RunSettings) -> dict[str, Any]:
    """Return the offers that may go out, and those that may not."""
    guard = GuardOffers(most=settings.max_offers_per_hour, backlog=steps.backlog, cuts=steps.cuts)
    mine = signals.seed("guard_offers")
    seeds = {"seeds": mine[0]} if mine else {}
    guarded: dict[str, Any] = {"offers": offers, **seeds} | "GuardOffers" >> guard
    return guarded


def _read(
    pipeline: beam.Pipeline, steps: Steps, settings: RunSettings
) -> tuple[Signals, tuple[Any, ...], tuple[Any, ...]]:
    """Return signals by shard, with what shards are told of silent sources; what was rejected; what operators see."""
    inputs, start = inputs_of(steps.versions, settings), seeds_of(pipeline, steps, settings)
    parsed, rejected = parse_files(pipeline, [one for one in inputs if one.patterns], steps.contexts, settings)
    streamed = _streamed(pipeline, inputs, steps, settings, start.get("since"))
    every = (*parsed, *streamed)
    signals = tuple(one.signals for one in every)
    groups = tuple(one.groups for one in every) if steps.grouped else ()
    controls = () if steps.contexts.controls is None else tuple(one.controls for one in every)
    taken = Signals(
        subscribers=signals,
        groups=groups,
        watched=(*signals, *groups),
        controls=controls,
        **start,
    )
    return taken, (*rejected, *(one.rejected for one in streamed)), tuple(one.operations for one in streamed)


def _streamed(
    pipeline: beam.Pipeline, inputs: Sequence[Input], steps: Steps, settings: RunSettings, since: int | None
) -> list[Any]:
    """Return what is read that does not end: by our own reader, and by the engine."""
    contexts, first, parsing = steps.contexts, steps.versions.first, parsing_of(steps.contexts, settings)
    needed = None if since is None else since - first.allowed_lateness
    parted, read = part(inputs, settings.engine), list[Any]()
    alarm = float(settings.alert_rejected), source_of(first.playbook)
    if parted.own:
        own = ReadStream(
            inputs=readers(parted.own, contexts.columns, needed, *alarm),
            payloads=contexts.columns,
            **parsing,
            grace=0 if steps.lag else first.grace,
            cuts=settings.state_out,
        )
        read.append(pipeline | "ReadStream" >> own)
    if parted.native:
        native = readers(parted.native, contexts.columns, needed, *alarm)
        read.append(read_native(pipeline, subscribed_of(native, contexts.columns, parsing)))
    return read
