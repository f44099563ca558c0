"""The whole path as a graph: signals in files, contexts, decisions, outputs in files."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa

from pipelines.cuts import cuts_of, save, seeds_of, take_blobs
from pipelines.inputs import Input, inputs_of
from pipelines.settings import RunSettings
from pipelines.steps import Signals, Steps
from schemas.errors import LoadError, LoadErrors
from schemas.offer import OFFER
from schemas.records import (
    ALERT,
    INSTANT,
    OPERATION,
    RECEIPT,
    REJECTED,
    SEGMENT_PROFILE,
    SEGMENT_STATS,
    TRANSITION,
)
from schemas.versions import Versions
from transforms.arrays import table_files
from transforms.compiler.offer_definitions import OfferPlan
from transforms.count_rejected import CountRejected
from transforms.decision.offers import write_event_container, write_event_lines
from transforms.decision.records import decision_schema
from transforms.end_input import EndInput
from transforms.parse_signals import ParseSignals
from transforms.read_signals import ReadSignals
from transforms.sample_subjects import SampleSubjects
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.versions import ContextPlans, load_all_offers
from transforms.write_outputs import FORMATS, Output, WriteOutputs, Writer

WRITERS: dict[str, Mapping[str, Writer]] = {
    "decisions": FORMATS | {"jsonl": partial(table_files.write_json_lines, objects=("params",))},
    "transitions": FORMATS | {"jsonl": partial(table_files.write_json_lines, objects=("evidence",))},
    "offers": FORMATS | {"jsonl": write_event_lines, "avro": write_event_container},
}
"""What writes the formats of an output, where that is not `FORMATS`."""

SORT_BY = {
    "decisions": ("tick", "subject_kind", "subject", "decision_id"),
    "offers": ("time", "subject", "id"),
    "contexts": ("tick", "subject_kind", "subject"),
    "transitions": ("tick", "subject_kind", "subject", "kind", "name"),
    "segment_stats": ("subject_kind", "segment", "window", "end"),
    "segment_profiles": ("subject_kind", "segment", "end", "feature", "value"),
    "alerts": ("subject_kind", "segment", "end"),
    "receipts": ("source", "id", "subject_kind", "subject", "stage"),
    "rejected": ("source", "position", "stage"),
}
"""The outputs of a run, and what their rows are sorted by."""

STREAM_SORT_BY = {"operations": ("time", "kind", "source")}
"""The same of outputs that only streams have."""


def build(pipeline: beam.Pipeline, versions: Versions, settings: RunSettings) -> None:
    """Put the steps of a bounded run into a pipeline: read, track, decide, describe, write.

    Args:
        pipeline: To add to.
        versions: What to track and offer.
        settings: What to read and where to write, `as_of` included.

    Raises:
        LoadErrors: mistakes in expressions or sources, files that are not there.
        ValueError: settings that do not fit the playbook.
    """
    steps = steps_of(versions, settings)
    parsed, rejected = parse_files(pipeline, inputs_of(versions, settings), steps.contexts, settings)
    add_steps(pipeline, steps, parsed, rejected, settings)


def steps_of(versions: Versions, settings: RunSettings) -> Steps:
    """Return the steps of a bounded run.

    Raises:
        LoadErrors: a playbook with groups, and a share of the subscribers; a cut that is at no tick.
    """
    steps = Steps(
        versions=versions,
        bounded=True,
        shards=settings.shards,
        mode=settings.mode,
        decide_from=settings.decide_from,
        complete_from=settings.complete_from,
        cuts=cuts_of(settings, versions.first.tick),
    )
    if settings.sample < 1 and steps.grouped:
        hint = "leave it out, or try a playbook without these sections"
        raise LoadErrors([LoadError("--sample", None, "a share of the subscribers would tear groups apart", hint=hint)])
    return steps


def add_steps(
    pipeline: beam.Pipeline, steps: Steps, parsed: Sequence[Any], rejected: Sequence[Any], settings: RunSettings
) -> None:
    """Put all that follows the signals of a bounded run into a pipeline.

    Args:
        pipeline: To add to.
        steps: What `steps_of` gives.
        parsed: What has `signals`, `groups` and `controls`, as `ParseSignals` gives them.
        rejected: What was rejected on the way.
        settings: Where to write.
    """
    signals = _taken(pipeline, steps, parsed, settings)
    records = steps.records(signals)
    records["rejected"] = (*rejected, records["rejected"]) | "AllRejected" >> beam.Flatten() | CountRejected()
    save(take_blobs(records), records["receipts"], (), steps, settings, signals.since)
    offers = load_all_offers(steps.versions, settings.mode).plans[0]
    records | "WriteOutputs" >> WriteOutputs(directory=settings.out, outputs=outputs_of(offers, settings.formats))


def _taken(pipeline: beam.Pipeline, steps: Steps, parsed: Sequence[Any], settings: RunSettings) -> Signals:
    """Return signals by shard, with what shards are told of the end, and what they start from."""
    signals = tuple(one.signals for one in parsed)
    groups = tuple(one.groups for one in parsed) if steps.grouped else ()
    controls = (
        () if steps.contexts.controls is None else ([one.controls for one in parsed] | "Controls" >> beam.Flatten(),)
    )
    timed = tuple(each | "ByTime" >> beam.Map(by_time).with_output_types(ShardBatch) for each in controls)
    start = seeds_of(pipeline, steps, settings)
    first = steps.versions.first
    end = EndInput(tick=first.tick, shards=settings.shards, until=settings.until, since=start.get("since"))
    ends = (*signals, *groups, *timed) | "Every" >> beam.Flatten() | "EndInput" >> end
    return Signals(
        subscribers=_sampled(signals, settings),
        groups=groups,
        watched=(*signals, *groups),
        controls=controls,
        ends=(ends,),
        **start,
    )


def by_time(element: ShardBatch) -> ShardBatch:
    """Return notices with the bounds of the times of their signals, instead of those of their ticks."""
    return element[0], PackedBatch.of(element[1].open())


def parsing_of(contexts: ContextPlans, settings: RunSettings) -> dict[str, Any]:
    """Return what all signals are to become, whatever is read."""
    assert settings.as_of is not None, "the core reads no clock: the launch says what is now"
    return {
        "kinds": frozenset(contexts.plans[0]),
        "earliest": settings.earliest,
        "as_of": settings.as_of,
        "max_ahead": settings.max_ahead,
        "tick": contexts.versions.first.tick,
        "controls": contexts.controls,
        "names": contexts.names,
        "shards": settings.shards,
    }


def parse_files(
    pipeline: beam.Pipeline, inputs: Sequence[Input], contexts: ContextPlans, settings: RunSettings
) -> tuple[list[Any], list[Any]]:
    """Return what was parsed of the files of each input, and what was rejected on the way."""
    every, rejected = [], []
    columns = contexts.columns
    for one in inputs:
        source, payload = one.source, columns[one.source.contract.name]
        reading = ReadSignals(source=source, patterns=one.patterns, payload=payload)
        read = pipeline | f"Read {one.label}" >> reading
        parsed = read.blocks | f"Parse {one.label}" >> ParseSignals(
            sources={source.contract.name: source},
            payloads={source.contract.name: payload},
            **parsing_of(contexts, settings),
        )
        every.append(parsed)
        rejected += [read.rejected, parsed.rejected]
    return every, rejected


def _sampled(signals: tuple[Any, ...], settings: RunSettings) -> tuple[Any, ...]:
    if settings.sample == 1:
        return signals
    return (signals | "Signals" >> beam.Flatten() | "SampleSubjects" >> SampleSubjects(share=settings.sample),)


def outputs_of(offers: OfferPlan, formats: Collection[str], names: Collection[str] = ()) -> dict[str, Output]:
    """Return what each output is, in some of its formats: those of any run, and of streams' own ones those named."""
    made, sort_by = {}, SORT_BY | STREAM_SORT_BY
    for name, schema in schemas_of(offers).items():
        if name in SORT_BY or name in names:
            writers = {ending: write for ending, write in WRITERS.get(name, FORMATS).items() if ending in formats}
            made[name] = Output(schema=schema, sort_by=sort_by[name], formats=writers)
    return made


def names_of(formats: Collection[str]) -> list[str]:
    """Return the names of all files that a run may write in some formats."""
    writers = {name: WRITERS.get(name, FORMATS) for name in SORT_BY}
    return [f"{name}.{ending}" for name, endings in writers.items() for ending in endings if ending in formats]


def schemas_of(offers: OfferPlan) -> dict[str, pa.Schema]:
    """Return the columns of each output."""
    context = [
        pa.field("subject_kind", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("tick", INSTANT, nullable=False),
        pa.field("cause", pa.string(), nullable=False),  # trigger | transition | periodic | end
        offers.triggers.field("segments"),
        offers.triggers.field("context"),
    ]
    return {
        "decisions": decision_schema(offers),
        "offers": OFFER,
        "contexts": pa.schema(context),
        "transitions": TRANSITION,
        "segment_stats": SEGMENT_STATS,
        "segment_profiles": SEGMENT_PROFILE,
        "alerts": ALERT,
        "receipts": RECEIPT,
        "rejected": REJECTED,
        "operations": OPERATION,
    }
