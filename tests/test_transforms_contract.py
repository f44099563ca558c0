"""What every PTransform of ours keeps to."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import apache_beam as beam
import msgspec
import pyarrow as pa
import pytest
from apache_beam.internal import pickler
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.portability.common_urns import primitives
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

import transforms
from schemas.contracts import contract
from schemas.playbook_file import parse_playbook
from schemas.sources import Source, SourceConfig
from schemas.versions import Versions
from tests.pipelines.small import PLAYBOOK
from tests.transforms.streams.pullers import FakePuller
from transforms.parse_messages import Subscribed
from transforms.parsing.parser import Parsing
from transforms.shell.cuts import Blob
from transforms.shell.packed_batch import ShardBatch
from transforms.shell.slicing import Slicing, Spilled
from transforms.shell.starts import Start
from transforms.shell.timers import STAGES, Backlog, Cuts
from transforms.sinks.pubsub import PubSubTarget
from transforms.streams.feed import Feed
from transforms.streams.manifests import BlobFile, Manifest
from transforms.streams.reading import Input
from transforms.sum_receipts import Removed
from transforms.write_outputs import Output

MODULES = [importlib.import_module(f"transforms.{each.name}") for each in pkgutil.iter_modules(transforms.__path__)]
FOUND = [
    each
    for module in MODULES
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, beam.PTransform) and each.__module__ == module.__name__
]
STEPS = {primitives.PAR_DO.urn, primitives.ASSIGN_WINDOWS.urn}
BOOK = parse_playbook(PLAYBOOK)
OTHER_BOOK = parse_playbook(PLAYBOOK.replace("500", "600").replace("cooldown: 1d", "cooldown: 2d"))
LATER = parse_playbook(
    PLAYBOOK.replace("version: 3", "version: 4\neffective_from: 2030-01-01T00:00:00Z").replace("500", "700")
)
WATCHED = parse_playbook(PLAYBOOK + "feed_timeout: {usage: 1h}\n")
CUTS = Cuts(BOOK.tick, 2 * BOOK.tick)
CUT = Manifest(
    tick=120_000,
    playbook="p",
    versions=(),
    shards=2,
    every=120_000,
    states=4,
    files={"decide_offers/0": BlobFile("decide_offers-0@120000-0", 120_000, 9, 0)},
)
USAGE = Source(contract("usage"))
SUBSCRIBED = Subscribed(
    feed=Feed(USAGE, {}, "pubsub://here/usage", "message"),
    parsing=Parsing(
        sources={"usage": USAGE},
        payloads={"usage": ["mb"]},
        kinds=frozenset({"subscriber"}),
        earliest=0,
        as_of=10,
        max_ahead=1,
        tick=60_000,
        shards=4,
    ),
)
SCHEMA = pa.schema([("tick", pa.int64()), ("subject", pa.string())])
OUTPUT, OTHER_OUTPUT = (Output(schema=SCHEMA, sort_by=(name,)) for name in ("tick", "subject"))


@dataclasses.dataclass(frozen=True)
class Example:
    """A transform as it is used.

    Attributes:
        options: How it is made.
        takes: Type of its input's elements, None for the pipeline.
        labels: Of the steps in it: a running pipeline is updated by them, so they change only on purpose.
        others: Another value of each option, which must make another graph.
        by_name: The name of its input where it takes several.
    """

    options: dict[str, Any]
    takes: Any
    labels: set[str]
    others: dict[str, Any]
    by_name: str | None = None


def _examples(directory: Path) -> dict[str, Example]:
    for name in ("a", "b"):
        (directory / f"{name}.jsonl").write_text("{}\n")
    files, others = str(directory / "a.jsonl"), str(directory / "b.jsonl")
    return {
        "ReadSignals": Example(
            {"source": USAGE, "patterns": [files], "payload": ["mb"]},
            None,
            {"Files", "Split", "Spread", "Read"},
            {
                "source": Source(contract("balance")),
                "patterns": [others],
                "payload": ["kind"],
                "max_record_bytes": 1 << 10,
            },
        ),
        "ParseSignals": Example(
            {
                "sources": {"usage": USAGE},
                "payloads": {"usage": ["mb"]},
                "kinds": frozenset({"subscriber"}),
                "earliest": 0,
                "as_of": 10,
                "max_ahead": 1,
                "tick": 60_000,
                "shards": 4,
            },
            pa.RecordBatch,
            {"Parse"},
            {
                "sources": {"usage": Source(contract("usage"), SourceConfig(source="switch"))},
                "payloads": {"usage": ["kind"]},
                "kinds": frozenset({"household"}),
                "earliest": 5,
                "as_of": 20,
                "max_ahead": 2,
                "tick": 30_000,
                "controls": SCHEMA,
                "names": {"offer": frozenset({"topup"})},
                "shards": 5,
            },
        ),
        "ReadStream": Example(
            {
                "inputs": [Input("usage", USAGE, FakePuller("a", files))],
                "payloads": {"usage": ["mb"]},
                "kinds": frozenset({"subscriber"}),
                "earliest": 0,
                "as_of": 10,
                "max_ahead": 1,
                "tick": 60_000,
                "shards": 4,
                "grace": 1_000,
            },
            None,
            {"Read", "Part"},
            {
                "inputs": [Input("usage", USAGE, FakePuller("b", others))],
                "payloads": {"usage": ["kind"]},
                "kinds": frozenset({"household"}),
                "earliest": 5,
                "as_of": 20,
                "max_ahead": 2,
                "tick": 30_000,
                "controls": SCHEMA,
                "names": {"offer": frozenset({"topup"})},
                "shards": 5,
                "grace": 2_000,
                "cuts": "there",
            },
        ),
        "ParseMessages": Example(
            {"subscribed": {"usage": SUBSCRIBED}},
            PubsubMessage,
            {"Gather usage", "All", "Linger", "Parse", "Part"},
            {"subscribed": {"usage": dataclasses.replace(SUBSCRIBED, linger=5)}},
            by_name="usage",
        ),
        "SampleSubjects": Example({"share": Fraction(1, 2)}, ShardBatch, {"Sample"}, {"share": Fraction(1, 3)}),
        "EndInput": Example(
            {"tick": 60_000, "shards": 4},
            ShardBatch,
            {"Times", "NoTime", "All", "HoldBack", "Gather", "Tell", "LetGo"},
            {"tick": 30_000, "shards": 5, "until": 60_000, "since": 60_000},
        ),
        "WatchFeeds": Example(
            {"playbook": WATCHED, "bounded": True, "shards": 2},
            ShardBatch,
            {"Hear", "Watch"},
            {"playbook": BOOK, "bounded": False, "shards": 3, "backlog": Backlog(60_000, 60_000), "cuts": CUTS},
        ),
        "TrackContexts": Example(
            {"playbook": BOOK, "bounded": True, "shards": 2},
            ShardBatch,
            {"Advance"},
            {
                "playbook": OTHER_BOOK,
                "later": (LATER,),
                "bounded": False,
                "shards": 3,
                "groups": True,
                "complete_from": 5,
                "backlog": Backlog(60_000, 60_000),
                "cuts": CUTS,
                "segment_stats": True,
            },
        ),
        "DescribeSegments": Example(
            {"playbook": BOOK, "bounded": False},
            pa.RecordBatch,
            {"ByWidth", "Describe"},
            {
                "playbook": OTHER_BOOK,
                "later": (LATER,),
                "bounded": True,
                "since": 60_000,
                "told": 60_000,
                "last": 120_000,
                "lag": 1_000,
            },
        ),
        "SpillSignals": Example(
            {"directory": str(directory), "slicing": Slicing(60_000, 120_000)},
            ShardBatch,
            {"Spill signals usage", "Files", "Gather", "Index"},
            {"directory": "elsewhere", "slicing": Slicing(60_000, 180_000), "held": 1},
            by_name="signals usage",
        ),
        "ReadSpilled": Example(
            {"directory": str(directory), "files": [Spilled(0, "signals", "a", 1, False)]},
            None,
            {f"{step} {tag}" for step in ("Files", "Read") for tag in ("signals", "groups", "controls")},
            {"directory": "elsewhere", "files": [Spilled(0, "groups", "a", 1, False)]},
        ),
        "KeepParts": Example(
            {"playbook": BOOK, "cuts": CUTS, "bounded": False},
            pa.RecordBatch,
            {"Key", "Keep"},
            {
                "playbook": parse_playbook(PLAYBOOK + "allowed_lateness: 3h\n"),
                "cuts": Cuts(BOOK.tick, BOOK.tick),
                "bounded": True,
                "backlog": Backlog(60_000, 60_000),
            },
        ),
        "SaveState": Example(
            {"directory": str(directory / "cuts"), "playbook": BOOK, "shards": 2, "cuts": CUTS, "bounded": False},
            Blob,
            {"WriteBlobs", "Entries", "Confirm"},
            {
                "directory": str(directory / "others"),
                "playbook": OTHER_BOOK,
                "later": (LATER,),
                "shards": 3,
                "cuts": Cuts(BOOK.tick, BOOK.tick),
                "bounded": True,
                "backlog": Backlog(60_000, 60_000),
                "window": 120_000,
                "since": 60_000,
                "layout": 1,
                "release": "0.0.1",
            },
            by_name="blobs",
        ),
        "LoadState": Example(
            {"start": Start("here", CUT), "versions": Versions((BOOK,)), "shards": 2},
            None,
            {f"{step} {stage}" for step in ("Files", "Seed") for stage in (*STAGES, "describe_segments")},
            {
                "start": Start("there", msgspec.structs.replace(CUT, tick=240_000)),
                "versions": Versions((BOOK, LATER)),
                "shards": 3,
            },
        ),
        "SumReceipts": Example(
            {"playbook": BOOK, "bounded": False},
            Removed,
            {"Window", "Gather", "Sum", "Unwindow"},
            {"playbook": OTHER_BOOK, "later": (LATER,), "bounded": True, "lag": 1_000},
        ),
        "DecideOffers": Example(
            {"playbook": BOOK, "bounded": True},
            ShardBatch,
            {"Decide"},
            {
                "playbook": OTHER_BOOK,
                "later": (LATER,),
                "bounded": False,
                "mode": "shadow",
                "decide_from": 60_000,
                "backlog": Backlog(60_000, 60_000),
                "cuts": CUTS,
            },
        ),
        "CountRejected": Example({}, pa.RecordBatch, {"Count"}, {}),
        "PublishRecords": Example(
            {"targets": {"x": PubSubTarget("projects/here/topics/x")}, "outputs": {"x": OUTPUT}},
            pa.RecordBatch,
            {"Name x", "All", "Publish"},
            {"targets": {"x": PubSubTarget("projects/there/topics/x")}, "outputs": {"x": OTHER_OUTPUT}},
            by_name="x",
        ),
        "GuardOffers": Example(
            {"most": 10},
            pa.RecordBatch,
            {"Together", "All", "Hold", "Expire", "Refused"},
            {"most": 20, "clock": time.time_ns, "backlog": Backlog(60_000, 60_000), "cuts": Cuts(60_000, 60_000)},
            by_name="offers",
        ),
        "WriteStream": Example(
            {"directory": "here", "outputs": {"x": OUTPUT}},
            pa.RecordBatch,
            {"Name x", "All", "Date", "Window", "Gather", "Write", "Unwindow"},
            {"directory": "there", "outputs": {"x": OTHER_OUTPUT}, "window": 60_000, "lag": 1_000},
            by_name="x",
        ),
        "WriteOutputs": Example(
            {"directory": "here", "outputs": {"x": OUTPUT}},
            pa.RecordBatch,
            {"Nothing", "Name x", "All", "Gather", "Write"},
            {"directory": "there", "outputs": {"x": OTHER_OUTPUT}},
            by_name="x",
        ),
    }


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Example]:
    return _examples(tmp_path_factory.mktemp("examples"))


every = pytest.mark.parametrize("transform", [*FOUND], ids=lambda transform: transform.__name__)


def _pipeline(transform: type, example: Example, **options: Any) -> beam.Pipeline:
    """Return a pipeline of the transform alone."""
    pipeline = beam.Pipeline(FnApiRunner())
    taken: Any = pipeline
    if example.takes is not None:
        taken = pipeline | "In" >> beam.Create([]).with_output_types(example.takes)
    if example.by_name is not None:
        taken = {example.by_name: taken}
    _ = taken | "It" >> transform(**example.options | options)
    return pipeline


def _graph(pipeline: beam.Pipeline) -> dict[str, bytes]:
    """Return what runs in each step of the graph, its settings included, by label."""
    known = pipeline.to_runner_api().components.transforms.values()
    return {each.unique_name: each.spec.payload for each in known if each.spec.urn in STEPS}


class _Labels(PipelineVisitor):
    """Collects the labels of all steps."""

    def __init__(self) -> None:
        self.labels: list[str] = []

    def enter_composite_transform(self, node: AppliedPTransform) -> None:
        self.labels.append(node.full_label)

    def visit_transform(self, node: AppliedPTransform) -> None:
        self.labels.append(node.full_label)


def _labels(pipeline: beam.Pipeline) -> list[str]:
    visitor = _Labels()
    pipeline.visit(visitor)
    return visitor.labels


def test_every_transform_has_an_example(examples: dict[str, Example]) -> None:
    assert {transform.__name__ for transform in FOUND} == examples.keys()


@every
def test_it_is_a_dataclass_with_named_options(transform: type) -> None:
    assert dataclasses.is_dataclass(transform)
    parameters = transform.__dataclass_params__  # type: ignore[attr-defined]
    assert (parameters.eq, parameters.frozen) == (False, False)  # unequal to all others, writable for Beam
    assert all(field.kw_only for field in dataclasses.fields(transform))


@every
def test_it_tells_what_goes_in_and_out(transform: type) -> None:
    told = inspect.getdoc(transform) or ""
    assert "In" in told
    assert re.search(r"\bout\b", told, re.IGNORECASE)
    _, _, options = told.partition("Attributes:")
    assert [field.name for field in dataclasses.fields(transform) if f"\n    {field.name}: " not in options] == []


@every
def test_it_pickles(transform: type, examples: dict[str, Example]) -> None:
    made = transform(**examples[transform.__name__].options)
    copy = pickler.loads(pickler.dumps(made))
    assert type(copy) is transform
    assert _graph(_pipeline(transform, examples[transform.__name__])).keys()


@every
def test_its_labels_are_stable_and_its_own(transform: type, examples: dict[str, Example]) -> None:
    example = examples[transform.__name__]
    labels = _labels(_pipeline(transform, example))
    assert len(labels) == len({*labels})
    steps = {re.sub(r"/.*", "", label.removeprefix("It/")) for label in labels if label.startswith("It/")}
    assert steps == example.labels


@every
def test_each_option_has_an_effect(transform: type, examples: dict[str, Example]) -> None:
    example = examples[transform.__name__]
    assert example.others.keys() == {field.name for field in dataclasses.fields(transform)}
    graph = _graph(_pipeline(transform, example))
    assert graph == _graph(_pipeline(transform, example))
    same = [
        name
        for name, other in example.others.items()
        if _graph(_pipeline(transform, example, **{name: other})) == graph
    ]
    assert same == []
