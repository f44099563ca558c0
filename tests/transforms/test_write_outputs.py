"""The files of an output, through Beam."""

import hashlib
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from schemas.records import INSTANT
from transforms.arrays import table_files
from transforms.write_outputs import ROWS, Output, WriteOutputs

SCHEMA = pa.schema([pa.field("tick", INSTANT, nullable=False), pa.field("subject", pa.string())])


def _write(directory: Path, batches: list[pa.RecordBatch], **options: Any) -> tuple[dict[str, str], dict[str, int]]:
    """Return the hash of each file, and the rows counted of each output: x with the batches and y without."""
    output = Output(**{"schema": SCHEMA, "sort_by": ("tick",)} | options)
    pipeline = beam.Pipeline(FnApiRunner())
    given = {"x": batches, "y": []}
    records = {
        name: pipeline | name >> beam.Create(rows).with_output_types(pa.RecordBatch) for name, rows in given.items()
    }
    _ = records | WriteOutputs(directory=str(directory), outputs=dict.fromkeys(given, output))
    result = pipeline.run()
    counters = result.metrics().query(beam.metrics.MetricsFilter().with_namespace(ROWS))["counters"]
    counted = {one.key.metric.name: one.committed for one in counters}
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}, counted


def _batches(size: int) -> list[pa.RecordBatch]:
    table = pa.table({"extra": range(100), "subject": [f"s{n % 7}" for n in range(100)], "tick": range(100)})
    return table.to_batches(max_chunksize=size)


def test_files_are_the_same_for_any_batches(tmp_path: Path) -> None:
    one = _write(tmp_path / "one", _batches(100))
    many = _write(tmp_path / "many", _batches(9)[::-1])
    assert one == many
    assert one[1] == {"x": 100, "y": 0}
    assert sorted(one[0]) == ["x.jsonl", "x.parquet", "y.jsonl", "y.parquet"]
    assert pq.read_table(tmp_path / "one" / "x.parquet").schema == SCHEMA


def test_nothing_still_makes_files(tmp_path: Path) -> None:
    _write(tmp_path, [])
    assert pq.read_table(tmp_path / "y.parquet").num_rows == 0


def test_formats_are_the_callers_choice(tmp_path: Path) -> None:
    files, _ = _write(tmp_path, _batches(9), formats={"lines": table_files.write_json_lines})
    assert sorted(files) == ["x.lines", "y.lines"]


def test_a_column_to_sort_by_must_be_there() -> None:
    with pytest.raises(ValueError, match="output x: no column `tock` to sort by"):
        WriteOutputs(directory="here", outputs={"x": Output(schema=SCHEMA, sort_by=("tock",))})
