"""The whole path as a graph: signals in files, contexts, decisions, outputs in files."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa

from pipelines.settings import RunSettings
from schemas.contracts import SIGNALS, contract
from schemas.errors import LoadError, LoadErrors
from schemas.near_miss import near_miss
from schemas.offer import OFFER
from schemas.playbook import Playbook
from schemas.records import INSTANT, REJECTED, TRANSITION
from schemas.sources import Source, read_sources
from transforms import encoding
from transforms.context.definitions import ContextPlan
from transforms.context.plan import contracts, load_plan
from transforms.decide_offers import DecideOffers
from transforms.decision.definitions import OfferPlan
from transforms.decision.offers import write_event_container, write_event_lines
from transforms.decision.plan import load_offers
from transforms.decision.records import decision_schema
from transforms.end_input import EndInput
from transforms.parse_signals import ParseSignals
from transforms.read_signals import ReadSignals
from transforms.sample_subjects import SampleSubjects
from transforms.track_contexts import TrackContexts
from transforms.write_outputs import FORMATS, Output, WriteOutputs, Writer

WRITERS: dict[str, Mapping[str, Writer]] = {
    "decisions": FORMATS | {"jsonl": partial(encoding.write_json_lines, objects=("params",))},
    "transitions": FORMATS | {"jsonl": partial(encoding.write_json_lines, objects=("evidence",))},
    "offers": FORMATS | {"jsonl": write_event_lines, "avro": write_event_container},
}
"""What writes the formats of an output, where that is not `FORMATS`."""

SORT_BY = {
    "decisions": ("tick", "subject_kind", "subject", "decision_id"),
    "offers": ("time", "subject", "id"),
    "contexts": ("tick", "subject_kind", "subject"),
    "transitions": ("tick", "subject_kind", "subject", "kind", "name"),
    "rejected": ("source", "position", "stage"),
}
"""The outputs of a run, and what their rows are sorted by."""


def build(pipeline: beam.Pipeline, playbook: Playbook, settings: RunSettings) -> None:
    """Put the steps of a bounded run into a pipeline.

    Args:
        pipeline: To add to.
        playbook: What to track and offer.
        settings: What to read and where to write, `as_of` included.

    Raises:
        LoadErrors: mistakes in expressions or sources, files that are not there.
        ValueError: settings that do not fit the playbook.
    """
    plan, offers = load_plan(playbook), load_offers(playbook, settings.mode)
    signals, rejected = _signals(pipeline, playbook, plan, settings)
    ends = signals | "EndInput" >> EndInput(plan=plan, shards=settings.shards, until=settings.until)
    tracked = (
        (signals, ends) | "Gather" >> beam.Flatten() | "TrackContexts" >> TrackContexts(playbook=playbook, bounded=True)
    )
    decided = tracked["triggers"] | "DecideOffers" >> DecideOffers(playbook=playbook, bounded=True, mode=settings.mode)
    records = {name: tracked[name] for name in ("contexts", "transitions")} | decided
    records["rejected"] = (*rejected, tracked["rejected"]) | "Rejected" >> beam.Flatten()
    records | "WriteOutputs" >> WriteOutputs(directory=settings.out, outputs=outputs_of(offers, settings.formats))


def _signals(
    pipeline: beam.Pipeline, playbook: Playbook, plan: ContextPlan, settings: RunSettings
) -> tuple[Any, list[Any]]:
    """Return signals by shard, and what was rejected on the way."""
    assert settings.as_of is not None, "the core reads no clock: the launch says what is now"
    signals, rejected = [], []
    for feed, source in sources_of(playbook, settings).items():
        payload = plan.signals[source.contract.name].columns
        read = pipeline | f"Read {feed}" >> ReadSignals(source=source, patterns=settings.globs()[feed], payload=payload)
        parsed = read.blocks | f"Parse {feed}" >> ParseSignals(
            sources={source.contract.name: source},
            payloads={source.contract.name: payload},
            kinds=frozenset({plan.level}),
            as_of=settings.as_of,
            max_ahead=settings.max_ahead,
            shards=settings.shards,
        )
        signals.append(parsed.signals)
        rejected += [read.rejected, parsed.rejected]
    every = signals | "Signals" >> beam.Flatten()
    sample = SampleSubjects(share=settings.sample) if settings.sample < 1 else None
    return every if sample is None else every | "SampleSubjects" >> sample, rejected


def sources_of(playbook: Playbook, settings: RunSettings) -> dict[str, Source]:
    """Return where each feed that is given comes from.

    Raises:
        LoadErrors: mistakes in sources.yaml, feeds that are not there or give what the playbook does not read.
    """
    known = contracts(playbook)
    every = {name: contract(name) for name in SIGNALS} | known
    mapped = read_sources(settings.sources, every) if settings.sources else {}
    found = {name: Source(contract) for name, contract in known.items()} | mapped
    errors = []
    for feed in settings.globs():
        if feed not in found:
            errors.append(_unknown(feed, f"{playbook.file} does not read `{feed}`", [*known, *mapped]))
        elif (signal := found[feed].contract.name) not in known:
            errors.append(_unknown(feed, f"{playbook.file} does not read `{signal}`, which it gives", known))
    if errors:
        raise LoadErrors(errors)
    return {feed: found[feed] for feed in settings.globs()}


def _unknown(feed: str, message: str, known: Iterable[str]) -> LoadError:
    return LoadError(f"--signals {feed}", None, message, hint=near_miss(feed, known))


def outputs_of(offers: OfferPlan, formats: Collection[str]) -> dict[str, Output]:
    """Return what each output is, in some of its formats."""
    made = {}
    for name, schema in schemas_of(offers).items():
        writers = {ending: write for ending, write in WRITERS.get(name, FORMATS).items() if ending in formats}
        made[name] = Output(schema=schema, sort_by=SORT_BY[name], formats=writers)
    return made


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
        "rejected": REJECTED,
    }
