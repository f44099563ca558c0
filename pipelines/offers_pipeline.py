"""The whole path as a graph: signals in files, contexts, decisions, outputs in files."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa

from pipelines.inputs import inputs_of
from pipelines.settings import RunSettings
from schemas.errors import LoadError, LoadErrors
from schemas.offer import OFFER
from schemas.playbook import Playbook
from schemas.records import ALERT, INSTANT, RECEIPT, REJECTED, SEGMENT_PROFILE, SEGMENT_STATS, TRANSITION
from schemas.versions import Versions
from transforms.arrays import table_files
from transforms.compiler.offer_definitions import OfferPlan
from transforms.decide_offers import DecideOffers
from transforms.decision.offers import write_event_container, write_event_lines
from transforms.decision.records import decision_schema
from transforms.describe_segments import DescribeSegments
from transforms.end_input import EndInput
from transforms.parse_signals import ParseSignals
from transforms.read_signals import ReadSignals
from transforms.sample_subjects import SampleSubjects
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.versions import ContextPlans, load_all_offers, load_contexts
from transforms.sum_receipts import SumReceipts
from transforms.track_contexts import OUTPUTS, TrackContexts
from transforms.watch_feeds import WatchFeeds
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


@dataclass(frozen=True)
class Read:
    """What was read: collections of signals by shard.

    Attributes:
        subscribers: For the shards of subscribers: signals, silent sources, the end of the input.
        groups: The same for the shards of groups; empty where the playbook has none.
        controls: For the shards of contact roots: notices about everybody.
        ends: The end of the input, for every shard.
        rejected: What was rejected on the way.
    """

    subscribers: tuple[Any, ...]
    groups: tuple[Any, ...]
    controls: tuple[Any, ...]
    ends: Any
    rejected: tuple[Any, ...]


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
    contexts, offers = load_contexts(versions), load_all_offers(versions, settings.mode).plans[0]
    if settings.sample < 1 and len(contexts.plans[0]) > 1:
        hint = "leave it out, or try a playbook without these sections"
        raise LoadErrors([LoadError("--sample", None, "a share of the subscribers would tear groups apart", hint=hint)])
    read = _read(pipeline, contexts, settings)
    tracked = _track(read, contexts, settings)
    told = (*tracked["triggers"], *read.controls, read.ends)
    decided = _decide(told, tracked["receipts"], versions, settings)
    described = _describe(tracked, contexts)
    rejected = (*read.rejected, *tracked["rejected"]) | "Rejected" >> beam.Flatten()
    plain = {name: tracked[name] | name.title() >> beam.Flatten() for name in ("transitions", "contexts")}
    records = plain | decided | described | {"rejected": rejected}
    records | "WriteOutputs" >> WriteOutputs(directory=settings.out, outputs=outputs_of(offers, settings.formats))


def _read(pipeline: beam.Pipeline, contexts: ContextPlans, settings: RunSettings) -> Read:
    """Return signals by shard, with what shards are told of silent sources and of the end."""
    book, grouped = contexts.versions.first, len(contexts.plans[0]) > 1
    parsed, rejected = _signals(pipeline, contexts, settings)
    signals = [one.signals for one in parsed]
    groups = [one.groups for one in parsed] if grouped else []
    down, down_for_groups = _down(book, settings, (*signals, *groups))
    signals = _sampled(signals, settings)
    end = EndInput(tick=book.tick, shards=settings.shards, until=settings.until)
    controls = () if contexts.controls is None else ([one.controls for one in parsed] | "Controls" >> beam.Flatten(),)
    timed = tuple(each | "ByTime" >> beam.Map(by_time).with_output_types(ShardBatch) for each in controls)
    ends = (*signals, *groups, *timed) | "Every" >> beam.Flatten() | "EndInput" >> end
    for_groups = (*groups, *down_for_groups, ends) if grouped else ()
    return Read((*signals, *down, ends), for_groups, controls, ends, tuple(rejected))


def by_time(element: ShardBatch) -> ShardBatch:
    """Return notices with the bounds of the times of their signals, instead of those of their ticks."""
    return element[0], PackedBatch.of(element[1].open())


def _track(read: Read, contexts: ContextPlans, settings: RunSettings) -> dict[str, tuple[Any, ...]]:
    """Return what the stages of subscribers and of groups give, by output."""
    options: dict[str, Any] = {"shards": settings.shards, "complete_from": settings.complete_from}
    options |= {"segment_stats": _segmented(contexts), **_books(contexts.versions)}
    track = partial(TrackContexts, **options, bounded=True)
    stages = [read.subscribers | "Gather" >> beam.Flatten() | "TrackContexts" >> track()]
    if read.groups:
        signals = (stages[0]["forwarded"], *read.groups) | "GatherGroups" >> beam.Flatten()
        stages.append(signals | "TrackGroups" >> track(groups=True))
    return {name: tuple(stage[name] for stage in stages) for name in ("triggers", *OUTPUTS)}


def _decide(
    told: tuple[Any, ...], receipts: tuple[Any, ...], versions: Versions, settings: RunSettings
) -> dict[str, Any]:
    """Return decisions, offers, and the receipts of what all stages erased."""
    decide = DecideOffers(**_books(versions), bounded=True, mode=settings.mode)
    decided: dict[str, Any] = told | "Triggers" >> beam.Flatten() | "DecideOffers" >> decide
    removed = (*receipts, decided["receipts"]) | "Removed" >> beam.Flatten()
    return decided | {"receipts": removed | "SumReceipts" >> SumReceipts(**_books(versions), bounded=True)}


def _describe(tracked: Mapping[str, tuple[Any, ...]], contexts: ContextPlans) -> dict[str, Any]:
    """Return statistics, profiles and alerts of segments, where there are any."""
    if not _segmented(contexts):
        return {}
    describe = DescribeSegments(**_books(contexts.versions), bounded=True)
    described: dict[str, Any] = (
        tracked["segment_stats"] | "SegmentStats" >> beam.Flatten() | "DescribeSegments" >> describe
    )
    return described


def _books(versions: Versions) -> dict[str, Any]:
    return {"playbook": versions.first, "later": versions.playbooks[1:]}


def _segmented(contexts: ContextPlans) -> bool:
    return any(plan.segments for plans in contexts.plans for plan in plans.values())


def _signals(pipeline: beam.Pipeline, contexts: ContextPlans, settings: RunSettings) -> tuple[list[Any], list[Any]]:
    """Return what was parsed of each input, and what was rejected on the way."""
    assert settings.as_of is not None, "the core reads no clock: the launch says what is now"
    every, rejected = [], []
    columns = contexts.columns
    for one in inputs_of(contexts.versions, settings):
        source, payload = one.source, columns[one.source.contract.name]
        reading = ReadSignals(source=source, patterns=one.patterns, payload=payload)
        read = pipeline | f"Read {one.label}" >> reading
        parsed = read.blocks | f"Parse {one.label}" >> ParseSignals(
            sources={source.contract.name: source},
            payloads={source.contract.name: payload},
            kinds=frozenset(contexts.plans[0]),
            earliest=settings.earliest,
            as_of=settings.as_of,
            max_ahead=settings.max_ahead,
            tick=contexts.versions.first.tick,
            controls=contexts.controls,
            names=contexts.names,
            shards=settings.shards,
        )
        every.append(parsed)
        rejected += [read.rejected, parsed.rejected]
    return every, rejected


def _sampled(signals: list[Any], settings: RunSettings) -> list[Any]:
    if settings.sample == 1:
        return signals
    return [signals | "Signals" >> beam.Flatten() | "SampleSubjects" >> SampleSubjects(share=settings.sample)]


def _down(playbook: Playbook, settings: RunSettings, signals: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """Return what shards of subscribers and of groups are told of silent sources, of all signals."""
    if not playbook.feed_timeout:
        return [], []
    watch = WatchFeeds(playbook=playbook, bounded=True, shards=settings.shards)
    feeds = signals | "AllFeeds" >> beam.Flatten() | "WatchFeeds" >> watch
    return [feeds.signals], [feeds.groups]


def outputs_of(offers: OfferPlan, formats: Collection[str]) -> dict[str, Output]:
    """Return what each output is, in some of its formats."""
    made = {}
    for name, schema in schemas_of(offers).items():
        writers = {ending: write for ending, write in WRITERS.get(name, FORMATS).items() if ending in formats}
        made[name] = Output(schema=schema, sort_by=SORT_BY[name], formats=writers)
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
    }
