"""Files of every format and compression give the same blocks, wherever they are cut."""

import gzip
import io
import json
from functools import partial
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pytest

from schemas.contracts import contract
from schemas.errors import LoadErrors
from schemas.sources import Source, SourceConfig
from tests.transforms.parsing.avro_files import block, header, records
from transforms.parsing import files
from transforms.parsing.files import RawFile, layout, raw_file, read_split, reading, splits
from transforms.parsing.raw import POSITION
from transforms.parsing.raw_types import made_fields, raw_types

ROWS = [
    {"id": f"e{i}", "time": i, "subject": f"s{i % 7}", "mb": i / 4, "kind": None if i % 3 else "data"}
    for i in range(300)
]
SOURCE = Source(contract("usage"), SourceConfig())
SCHEMA = {
    "type": "record",
    "name": "usage",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "time", "type": "long"},
        {"name": "subject", "type": "string"},
        {"name": "mb", "type": ["null", "double"]},
        {"name": "kind", "type": ["null", "string"]},
    ],
}


def _bytes(format_: str) -> bytes:
    frame, sink = pl.DataFrame(ROWS), io.BytesIO()
    if format_ == "parquet":
        frame.write_parquet(sink, row_group_size=70)
    elif format_ == "csv":
        frame.write_csv(sink)
    elif format_ == "jsonl":
        frame.write_ndjson(sink)
    else:
        sink.write(header(SCHEMA))
        for first in range(0, 300, 50):
            sink.write(block(50, records(ROWS[first : first + 50], SCHEMA)))
    return sink.getvalue()


def _open(data: bytes, compression: str) -> BinaryIO:
    if not compression:
        return io.BytesIO(data)
    stream: Any = pa.CompressedInputStream(pa.BufferReader(data), compression)
    return stream  # type: ignore[no-any-return]


def _read(data: bytes, path: str) -> list[dict[str, Any]]:
    file = raw_file(path, len(data), SOURCE)
    opened = partial(_open, data, file.compression)
    what = reading(SOURCE, raw_types(SOURCE, made_fields(SOURCE, ["mb", "kind"])), 1 << 20)
    assert {"id", "time", "subject", "mb", "kind"} <= set(layout(opened, file, what).types)
    rows: list[dict[str, Any]] = []
    for start, stop in splits(opened, file, what):
        for found, rejected in read_split(opened, file, start, stop, what):
            assert not rejected
            assert found.schema.names[-1] == POSITION
            assert set(found.schema.names) == {*what.types, POSITION}
            rows += found.to_pylist()
    return rows


def _same(rows: list[dict[str, Any]]) -> None:
    text = {name: [str(_plain(row[name])) for row in rows] for name in ROWS[0]}
    assert text == {name: [str(row[name]) for row in ROWS] for name in ROWS[0]}


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("size", [37, 1000, 1 << 20])
@pytest.mark.parametrize("format_", ["parquet", "avro", "jsonl", "csv"])
def test_every_format_in_any_splits(monkeypatch: pytest.MonkeyPatch, format_: str, size: int) -> None:
    monkeypatch.setattr(files, "SPLIT_BYTES", size)
    _same(_read(_bytes(format_), f"x.{format_}"))


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_compressed_lines(format_: str, ending: str) -> None:
    data = _bytes(format_)
    half = len(data) // 2
    compress = gzip.compress if ending == "gz" else partial(pa.Codec("zstd").compress, asbytes=True)
    _same(_read(compress(data), f"x.{format_}.{ending}"))
    _same(_read(compress(data[:half]) + compress(data[half:]), f"x.{format_}.{ending}"))


def test_a_line_file_says_lines_at_first_and_bytes_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SPLIT_BYTES", 100)
    data = b"".join(json.dumps({"id": str(i), "time": "x" if i in (1, 9) else i}).encode() + b"\n" for i in range(12))
    file = raw_file("x.jsonl", len(data), SOURCE)
    what = reading(SOURCE, raw_types(SOURCE, ("id", "time")), 1 << 20)
    opened = partial(io.BytesIO, data)
    parts = [part for start, stop in splits(opened, file, what) for part in read_split(opened, file, start, stop, what)]
    offset = data.index(b'{"id": "9"')
    assert [item.position for _, rejected in parts for item in rejected] == ["line 2", f"byte {offset}"]


@pytest.mark.parametrize(
    ("path", "format_", "compression"),
    [
        ("a/b.parquet", "parquet", ""),
        ("gs://a/b.avro", "avro", ""),
        ("b.jsonl", "jsonl", ""),
        ("b.ndjson.gz", "jsonl", "gzip"),
        ("b.csv.zst", "csv", "zstd"),
    ],
)
def test_the_name_tells_the_format(path: str, format_: str, compression: str) -> None:
    assert raw_file(path, 5, SOURCE) == RawFile(path, 5, format_, compression)  # type: ignore[arg-type]


def test_the_source_may_tell_the_format() -> None:
    assert raw_file("calls.txt.gz", 5, Source(contract("usage"), SourceConfig(format="csv"))).format == "csv"


@pytest.mark.parametrize(
    ("path", "message"), [("a.txt", "does not tell the format"), ("a.avro.gz", "compresses itself")]
)
def test_a_format_that_cannot_be(path: str, message: str) -> None:
    with pytest.raises(LoadErrors, match=message):
        raw_file(path, 5, SOURCE)


def test_header_names_from_the_source_and_marks_at_the_start() -> None:
    source = Source(contract("usage"), SourceConfig(header=["id", "mb"], delimiter=";", null_values=["-"]))
    what = reading(source, {"mb": pa.string(), "id": pa.string()}, 100)
    file = raw_file("x.csv", 20, source)
    ((rows, _),) = list(read_split(partial(io.BytesIO, b"\xef\xbb\xbfa;1\nb;-\n"), file, 0, 20, what))
    assert rows.to_pylist() == [{"mb": "1", "id": "a", POSITION: 1}, {"mb": None, "id": "b", POSITION: 2}]
    with_header = reading(SOURCE, {"id": pa.string()}, 100)
    file = raw_file("x.csv", 20, SOURCE)
    ((rows, _),) = list(read_split(partial(io.BytesIO, b"\xef\xbb\xbfid\r\na\r\n"), file, 0, 20, with_header))
    assert rows.to_pylist() == [{"id": "a", POSITION: 2}]
