"""Reading of what does not end, through Beam: the signals of a file, and the acknowledgements of its puller."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.prism_runner import PrismRunner

from schemas.contracts import contract
from schemas.sources import Source
from tests.transforms.signals_run import PAYLOAD, run_signals
from tests.transforms.streams.pullers import DONE, FakePuller
from transforms.parsing.raw import PARTITION
from transforms.read_stream import ReadStream
from transforms.shell.folder_store import FolderStore
from transforms.shell.parted_elements import _Part, packed
from transforms.shell.stream_element import StreamElementCoder
from transforms.shell.stream_mark import Mark, MarkCoder
from transforms.sinks.operations import rejects_flood
from transforms.streams.element import Element
from transforms.streams.folder import FolderPuller, forget_folders
from transforms.streams.folder_files import Files
from transforms.streams.progress import Rules
from transforms.streams.reading import Input

USAGE = Source(contract("usage"))
RULES = Rules(ends=0, replay=True)


def _rows(path: Path, count: int) -> None:
    rows = [
        {
            "id": str(i),
            "time": 1_000 + i,
            "subject": f"s{i % 7}",
            "mb": 1.0 + i,
            "kind": "data",
            PARTITION: str(i % 2),
        }
        for i in range(count)
    ]
    rows[5]["subject"] = ""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _stream(**options: Any) -> ReadStream:
    given = {
        "payloads": {"usage": PAYLOAD},
        "kinds": frozenset({"subscriber"}),
        "earliest": 0,
        "as_of": 10_000,
        "max_ahead": 0,
        "tick": 60_000,
        "shards": 3,
        "grace": 100,
    }
    return ReadStream(**given | options)


class _Keep(beam.DoFn):
    """Keeps the rows of what comes in a file of its own."""

    def __init__(self, path: str) -> None:
        self._path = path

    def process(self, element: Any, timestamp: Any = beam.DoFn.TimestampParam) -> None:
        shard, batch = (None, element) if isinstance(element, pa.RecordBatch) else (element[0], element[1].open())
        with Path(self._path).open("a") as file:
            for row in batch.to_pylist():
                file.write(json.dumps({"shard": shard, "at": timestamp.micros // 1000, **row}, default=str) + "\n")


def _kept(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


PRISM = Path(__file__).parents[2] / ".engines/prism"
ENGINES = [
    pytest.param(FnApiRunner, [], id="direct"),
    pytest.param(
        PrismRunner,
        [f"--prism_location={PRISM}", "--environment_type=LOOPBACK", "--experiments=prism_disable_sdf_split"],
        id="prism",
        marks=pytest.mark.skipif(not PRISM.exists(), reason="no Prism: `make engines`"),
    ),
]


@pytest.mark.parametrize(("runner", "options"), ENGINES)
def test_the_signals_of_a_stream_are_those_of_the_file(tmp_path: Path, runner: Any, options: list[str]) -> None:
    _rows(tmp_path / "x.jsonl", 1_000)
    pullers = [FakePuller(f"{tmp_path}/{n}", str(tmp_path / "x.jsonl"), size) for n, size in ((0, 70), (1, 1_000))]
    inputs = [Input(f"usage {n}", USAGE, puller, RULES) for n, puller in enumerate(pullers)]
    pipeline = beam.Pipeline(runner(), PipelineOptions(["--streaming", *options] if options else []))
    read = pipeline | _stream(inputs=inputs)
    _ = read.signals | "Signals" >> beam.ParDo(_Keep(str(tmp_path / "signals")))
    _ = read.rejected | "Rejected" >> beam.ParDo(_Keep(str(tmp_path / "rejected")))
    result = pipeline.run()
    result.wait_until_finish()
    wanted = run_signals([tmp_path / "x.jsonl"])
    found = [(row.pop("shard"), row) for row in _kept(tmp_path / "signals")]
    assert all(row.pop("at") <= row["time"] for _, row in found)
    assert sorted(map(str, found)) == sorted(map(str, 2 * wanted.signals))
    assert [row["position"] for row in _kept(tmp_path / "rejected")] == 2 * ["partition 1 offset 5"]
    counters = result.metrics().query(beam.metrics.MetricsFilter().with_namespace("signals"))["counters"]
    assert {each.key.metric.name: each.committed for each in counters} == {"in": 2_000, "parsed": 1_998, "rejected": 2}
    assert [DONE[puller.name][-1] for puller in pullers] == [1_000, 1_000]


def test_a_folder_is_read_once(tmp_path: Path) -> None:
    (folder := tmp_path / "in [1]").mkdir()
    for n in range(3):
        _rows(folder / f"{n}.jsonl", 10)
    _rows(folder / "9.jsonl.part", 10)
    puller = FolderPuller(str(folder), Files.of(USAGE, PAYLOAD, 1 << 20), FolderStore(), every=50)
    for expected in (30, 30):
        forget_folders()
        pipeline = beam.Pipeline(FnApiRunner())
        read = pipeline | _stream(inputs=[Input("usage", USAGE, puller, replace(RULES, ends=300))])
        _ = read.signals | "Signals" >> beam.ParDo(_Keep(str(tmp_path / "signals")))
        _ = read.rejected | "Rejected" >> beam.ParDo(_Keep(str(tmp_path / "rejected")))
        pipeline.run().wait_until_finish()
        assert len(_kept(tmp_path / "signals")) == expected - 3
        assert [row["position"] for row in _kept(tmp_path / "rejected")] == ["line 6"] * 3


class CutPuller(FakePuller):
    """Writes a cut, once it has read all."""

    def pull(self, position: Any) -> Any:
        pulled = super().pull(position)
        if not pulled.blocks:
            (Path(self.path).parent / "cuts/manifest-1300.json").write_text("{}")
        return pulled


def test_what_no_cut_covers_is_not_acknowledged(tmp_path: Path) -> None:
    _rows(tmp_path / "x.jsonl", 500)
    (tmp_path / "cuts").mkdir()
    (tmp_path / "cuts/manifest-1000.json").write_text("{}")
    puller = CutPuller(f"{tmp_path}", str(tmp_path / "x.jsonl"), 70)
    pipeline = beam.Pipeline(FnApiRunner())
    inputs = [Input("usage", USAGE, puller, replace(RULES, ends=1_500))]
    _ = pipeline | _stream(inputs=inputs, cuts=str(tmp_path / "cuts"), tick=100)
    pipeline.run().wait_until_finish()
    assert DONE[puller.name] == [70, 140, 210, 280]


def test_a_mark_is_encoded_without_what_is_to_be_acknowledged() -> None:
    called: list[int] = []
    mark = Mark({"positions": {"x": {"row": 3}}, "serial": "p-1"}, lambda: called.append(1))
    copy = MarkCoder().decode(MarkCoder().encode(mark))
    copy.finalize_checkpoint()
    assert (copy.state, called) == (mark.state, [])
    mark.finalize_checkpoint()
    assert called == [1]


def test_a_reader_goes_on_from_any_mark(tmp_path: Path) -> None:
    _rows(tmp_path / "x.jsonl", 500)
    source = _source(tmp_path)
    reader = source.create_reader(None, None)
    assert reader.start()
    first = reader.get_checkpoint_mark()
    assert _goes_on(reader)
    second = MarkCoder().decode(MarkCoder().encode(reader.get_checkpoint_mark()))
    assert source.create_reader(None, second)._reading is reader._reading  # type: ignore[attr-defined]
    again = source.create_reader(None, first)
    assert again._reading is not reader._reading  # type: ignore[attr-defined]
    assert again.start()
    assert again.get_current().counts == reader.get_current().counts
    assert again.get_watermark() == reader.get_watermark()


def test_an_older_mark_does_not_go_on_where_a_newer_one_is(tmp_path: Path) -> None:
    _rows(tmp_path / "x.jsonl", 500)
    source = _source(tmp_path)
    reader = source.create_reader(None, None)
    assert reader.start()
    older, _ = reader.get_checkpoint_mark(), reader.get_checkpoint_mark()
    assert source.create_reader(None, older)._reading is not reader._reading  # type: ignore[attr-defined]


def _goes_on(reader: Any) -> bool:
    """Read the next pull; what was there when the last was read ends a bundle first."""
    return any(reader.advance() for _ in range(2))


def _source(tmp_path: Path) -> Any:
    puller = FakePuller(f"{tmp_path}/a", str(tmp_path / "x.jsonl"))
    rules = replace(RULES, ends=None)
    return _stream(inputs=[Input("usage", USAGE, puller, rules)], cuts=str(tmp_path / "cuts")).source()


@pytest.mark.parametrize("labels", [[], ["a", "a"]])
def test_labels_are_checked(labels: list[str]) -> None:
    with pytest.raises(ValueError, match="labels of their own"):
        _stream(inputs=[Input(label, USAGE, FakePuller("", "")) for label in labels])


def test_what_an_operator_should_look_at_comes_beside_the_signals() -> None:
    told = rejects_flood("/segment-of-one/test", "usage", 5, 60, 100, 19)
    element = packed(Element([], [], {("floods", "usage"): 1}, 5, (told,)), 1)
    (given,) = _Part().process(StreamElementCoder().decode(StreamElementCoder().encode(element)))
    assert (given.tag, given.value) == ("operations", told)
