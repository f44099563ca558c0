"""Files of a stream: each window once, by name; late rows beside it; nothing half written."""

import json
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing import test_stream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import IntervalWindow, TimestampedValue
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import PaneInfo, PaneInfoTiming

from schemas.durations import HOUR, MINUTE
from schemas.records import INSTANT
from transforms.arrays import table_files
from transforms.write_outputs import Output
from transforms.write_stream import WriteStream, _Write, file_name

SCHEMA = pa.schema([pa.field("tick", INSTANT, nullable=False), pa.field("subject", pa.string())])
JSONL = {"jsonl": table_files.write_json_lines}
TEN = 1_772_445_600_000  # 2026-03-02T10:00:00Z


def made_at(tick: int, *subjects: str) -> TimestampedValue:
    """Return what the last stage of a stream makes at a tick."""
    rows = [{"tick": tick, "subject": subject} for subject in subjects]
    return TimestampedValue(pa.RecordBatch.from_pylist(rows, SCHEMA), Timestamp(micros=1000 * (tick + 4)))


def watermark(tick: int) -> Timestamp:
    return Timestamp(micros=1000 * tick)


def subjects(path: Path) -> list[str]:
    return [json.loads(line)["subject"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("size", "pane", "name"),
    [
        (HOUR, 0, "offers-20260302T10Z-0.parquet"),
        (2 * HOUR, 3, "offers-20260302T10Z-3.parquet"),
        (5 * MINUTE, 0, "offers-20260302T1000Z-0.parquet"),
        (1_000, 0, "offers-20260302T100000Z-0.parquet"),
    ],
)
def test_a_name_tells_where_the_window_starts(size: int, pane: int, name: str) -> None:
    assert file_name("offers", TEN, size, pane, "parquet") == name


def test_a_stream_writes_each_window_once_and_late_rows_beside_it(tmp_path: Path) -> None:
    stream: Any = test_stream.TestStream().advance_watermark_to(watermark(TEN))
    stream = stream.add_elements([made_at(TEN + MINUTE, "b", "a")]).add_elements([made_at(TEN + HOUR, "c")])
    stream = stream.add_elements([made_at(TEN + HOUR + MINUTE, "d")]).advance_watermark_to(watermark(TEN + 2 * HOUR))
    stream = stream.add_elements([made_at(TEN + 2 * MINUTE, "late")]).advance_watermark_to_infinity()
    pipeline = beam.Pipeline(BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"]))
    outputs = {"x": Output(schema=SCHEMA, sort_by=("tick", "subject"), formats=JSONL)}
    told = {"x": pipeline | stream} | WriteStream(directory=str(tmp_path), outputs=outputs)
    assert_that(told, equal_to([("x", 3, TEN + HOUR), ("x", 1, TEN + HOUR + MINUTE), ("x", 1, TEN + 2 * MINUTE)]))
    pipeline.run().wait_until_finish()
    found = {path.name: subjects(path) for path in (tmp_path / "x").iterdir()}
    assert found == {
        "x-20260302T10Z-0.jsonl": ["a", "b", "c"],
        "x-20260302T11Z-0.jsonl": ["d"],
        "x-20260302T10Z-1.jsonl": ["late"],
    }


def test_a_tick_is_written_with_the_window_that_it_ends(tmp_path: Path) -> None:
    """As what is known of a cut is there when the cut is: the watermark need not pass the next one."""
    stream: Any = test_stream.TestStream().advance_watermark_to(watermark(TEN))
    stream = stream.add_elements([made_at(TEN + 5 * MINUTE, "a")])
    stream = stream.advance_watermark_to(watermark(TEN + 5 * MINUTE + 100))
    stream = stream.add_elements([made_at(TEN + 6 * MINUTE, "b")]).advance_watermark_to_infinity()
    pipeline = beam.Pipeline(BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"]))
    outputs = {"x": Output(schema=SCHEMA, sort_by=("tick",), formats=JSONL)}
    writing = WriteStream(directory=str(tmp_path), outputs=outputs, window=5 * MINUTE)
    _ = {"x": pipeline | stream} | writing
    pipeline.run().wait_until_finish()
    assert {path.name: subjects(path) for path in (tmp_path / "x").iterdir()} == {
        "x-20260302T1000Z-0.jsonl": ["a"],
        "x-20260302T1005Z-0.jsonl": ["b"],
    }


def test_again_writes_the_same_names_with_the_same_content(tmp_path: Path) -> None:
    outputs = {name: Output(schema=SCHEMA, sort_by=("tick",)) for name in ("x", "y")}
    content = []
    for order in (1, -1):
        pipeline = beam.Pipeline(FnApiRunner())
        made = [made_at(TEN + n * MINUTE, f"s{n}") for n in range(1, 100)][::order]
        stamped = pipeline | beam.Create(made) | beam.Map(lambda each: each)
        _ = dict.fromkeys(outputs, stamped) | WriteStream(directory=str(tmp_path), outputs=outputs)
        pipeline.run()
        content.append(
            {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        )
    assert content[0] == content[1]
    names = [f"{name}/{name}-20260302T{hour}Z-0.{ending}" for name in "xy" for hour in (10, 11) for ending in JSONL]
    assert {str(path) for path in content[0] if path.suffix == ".jsonl"} == {*names}
    assert pq.read_table(tmp_path / "x" / "x-20260302T10Z-0.parquet").num_rows == 60


def _fails(_: pa.Table, sink: Any) -> None:
    sink.write(b"half")
    raise OSError("disk full")


def test_what_fails_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    outputs = {"x": Output(schema=SCHEMA, sort_by=("tick",), formats={"jsonl": _fails})}
    pipeline = beam.Pipeline(FnApiRunner())
    _ = {"x": pipeline | beam.Create([made_at(TEN, "a").value])} | WriteStream(directory=str(tmp_path), outputs=outputs)
    with pytest.raises(Exception, match="disk full"):
        pipeline.run()
    assert [path.name for path in (tmp_path / "x").iterdir() if not path.name.startswith(".")] == []


def test_a_pane_without_rows_is_no_file(tmp_path: Path) -> None:
    """Flink gives one at the end of time, after the last pane and under the number of the first."""
    outputs = {"rows": Output(schema=SCHEMA, sort_by=("tick",), formats=JSONL)}
    write = _Write(WriteStream(directory=str(tmp_path), outputs=outputs))
    window = IntervalWindow(Timestamp(micros=1000 * (TEN + 100)), Timestamp(micros=1000 * (TEN + HOUR + 100)))
    batch = made_at(TEN + 1, "ann").value
    first = PaneInfo(is_first=True, is_last=True, timing=PaneInfoTiming.ON_TIME, index=0, nonspeculative_index=0)
    told = [list(write.process(("rows", batches), window, first)) for batches in ([batch], [])]
    (file,) = (tmp_path / "rows").iterdir()
    assert subjects(file) == ["ann"]
    assert [len(each) for each in told] == [1, 0]


def test_windows_have_a_length() -> None:
    with pytest.raises(ValueError, match="windows of files last more than 100 ms, not 0"):
        WriteStream(directory="here", outputs={}, window=0)
