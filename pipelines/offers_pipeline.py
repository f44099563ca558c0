"""The whole path as a graph: signals in files, contexts, decisions, outputs in files."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa

from pipelines.feeds import feeds_of
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


def build(pipeline: beam.Pipeline, versions: Versions, settings: RunSettings) -> None:
    """Put the steps of a bounded run into a pipeline.

    Args:
        pipeline: To add to.
        versions: What to track and offer.
        settings: What to read and where to write, `as_of` included.

    Raises:
        LoadErrors: mistakes in expressions or sources, files that are not there.
        ValueError: settings that do not fit the playbook.
    """
    contexts, offers = load_contexts(versions), load_all_offers(versions, settings.mode).plans[0]
    plans = contexts.plans[0]
    if settings.sample < 1 and len(plans) > 1:
        hint = "leave it out, or try a playbook without these sections"
        raise LoadErrors([LoadError("--sample", None, "a share of the subscribers would tear groups apart", hint=hint)])
    signals, of_groups, rejected = _signals(pipeline, contexts, settings)
    end = EndInput(tick=versions.first.tick, shards=settings.shards, until=settings.until)
    grouped = [*of_groups] if len(plans) > 1 else []
    feeds, group_feeds = _feeds(versions.first, settings, (*signals, *grouped))
    signals = _sampled(signals, settings)
    ends = (*signals, *grouped) | "Every" >> beam.Flatten() | "EndInput" >> end
    books: dict[str, Any] = {"playbook": versions.first, "later": versions.playbooks[1:]}
    segmented = any(plan.segments for plans in contexts.plans for plan in plans.values())
    options: dict[str, Any] = {
        "shards": settings.shards,
        "complete_from": settings.complete_from,
        "segment_stats": segmented,
    }
    track = partial(TrackContexts, **books, **options, bounded=True)
    stages = [(*signals, *feeds, ends) | "Gather" >> beam.Flatten() | "TrackContexts" >> track()]
    if len(plans) > 1:
        told = (stages[0]["forwarded"], *grouped, *group_feeds, ends) | "GatherGroups" >> beam.Flatten()
        stages.append(told | "TrackGroups" >> track(groups=True))
    tracked = {name: tuple(stage[name] for stage in stages) for name in ("triggers", *OUTPUTS)}
    triggers = tracked.pop("triggers") | "Triggers" >> beam.Flatten()
    decided = triggers | "DecideOffers" >> DecideOffers(**books, bounded=True, mode=settings.mode)
    removed = (*tracked.pop("receipts"), decided.pop("receipts")) | "Removed" >> beam.Flatten()
    tracked["rejected"] = (*rejected, *tracked["rejected"])
    parts = tracked.pop("segment_stats")
    records = {name: parts | name.title() >> beam.Flatten() for name, parts in tracked.items()} | decided
    records["receipts"] = removed | "SumReceipts" >> SumReceipts(**books, bounded=True)
    if segmented:
        describe = DescribeSegments(**books, bounded=True)
        records |= parts | "SegmentStats" >> beam.Flatten() | "DescribeSegments" >> describe
    records | "WriteOutputs" >> WriteOutputs(directory=settings.out, outputs=outputs_of(offers, settings.formats))


def _signals(
    pipeline: beam.Pipeline, contexts: ContextPlans, settings: RunSettings
) -> tuple[list[Any], list[Any], list[Any]]:
    """Return signals of subscribers and of groups by shard, and what was rejected on the way."""
    assert settings.as_of is not None, "the core reads no clock: the launch says what is now"
    signals, groups, rejected = [], [], []
    columns = contexts.columns
    for feed in feeds_of(contexts.versions, settings):
        source, payload = feed.source, columns[feed.source.contract.name]
        reading = ReadSignals(source=source, patterns=feed.patterns, payload=payload)
        read = pipeline | f"Read {feed.label}" >> reading
        parsed = read.blocks | f"Parse {feed.label}" >> ParseSignals(
            sources={source.contract.name: source},
            payloads={source.contract.name: payload},
            kinds=frozenset(contexts.plans[0]),
            earliest=settings.earliest,
            as_of=settings.as_of,
            max_ahead=settings.max_ahead,
            shards=settings.shards,
        )
        signals.append(parsed.signals)
        groups.append(parsed.groups)
        rejected += [read.rejected, parsed.rejected]
    return signals, groups, rejected


def _sampled(signals: list[Any], settings: RunSettings) -> list[Any]:
    if settings.sample == 1:
        return signals
    return [signals | "Signals" >> beam.Flatten() | "SampleSubjects" >> SampleSubjects(share=settings.sample)]


def _feeds(playbook: Playbook, settings: RunSettings, signals: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """Return what shards of subscribers and of groups are told of feeds that are down, of all signals."""
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
