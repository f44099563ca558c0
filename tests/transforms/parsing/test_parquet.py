"""Parquet: blocks of row groups, whatever their size, and damage that stays where it is."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.parsing import parquet, parquet_batches
from transforms.parsing.parquet import parquet_schema, parquet_splits, read_parquet
from transforms.parsing.raw import POSITION, Unreadable


def _file(rows: int, group: int, **options: object) -> bytes:
    sink = io.BytesIO()
    table = pa.table({"id": [f"e{i}" for i in range(rows)], "n": np.arange(rows), "other": np.zeros(rows)})
    pq.write_table(table, sink, row_group_size=group, compression="none", use_dictionary=False, **options)
    return sink.getvalue()


@pytest.mark.parametrize("group", [1, 3, 7, 100])
@pytest.mark.parametrize("block", [1, 4, 10, 1000])
def test_all_rows_once_with_their_numbers(monkeypatch: pytest.MonkeyPatch, group: int, block: int) -> None:
    monkeypatch.setattr(parquet, "BLOCK_ROWS", block)
    monkeypatch.setattr(parquet_batches, "BLOCK_ROWS", block)
    data = _file(25, group)
    seen = []
    for start, stop in parquet_splits(io.BytesIO(data), ["id"]):
        for rows, rejected in read_parquet(io.BytesIO(data), start, stop, ["n", "none"]):
            assert not rejected
            assert rows.schema.names == ["n", POSITION]
            assert rows["n"].to_pylist() == rows[POSITION].to_pylist()
            assert rows.num_rows <= block + min(block, group)
            seen += rows["n"].to_pylist()
    assert seen == list(range(25))


def test_an_empty_file_has_no_splits() -> None:
    assert parquet_splits(io.BytesIO(_file(0, 1)), ["id"]) == []
    assert parquet_schema(io.BytesIO(_file(0, 1))).names == ["id", "n", "other"]


def test_a_damaged_row_group_costs_no_other(tmp_path: Path) -> None:
    data = bytearray(_file(400, 100, write_page_checksum=False))
    column = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(0)
    data[column.data_page_offset : column.data_page_offset + 60] = b"\xff" * 60
    found = list(read_parquet(io.BytesIO(bytes(data)), 0, 4, ["id"]))
    ids = [name for rows, _ in found if rows.num_rows for name in rows["id"].to_pylist()]
    assert ids == [f"e{i}" for i in [*range(100), *range(200, 400)]]
    assert [item.reason for _, rejected in found for item in rejected] == ["torn_block"]
    assert [item.position for _, rejected in found for item in rejected] == ["row group 1 from row 100"]
    assert [item.records for _, rejected in found for item in rejected] == [100]


@pytest.mark.parametrize("change", [0x01, 0x40, 0xFF])
def test_a_damaged_footer_ends_no_process(change: int) -> None:
    data = _file(4, 2)
    size = int.from_bytes(data[-8:-4], "little")
    for at in range(len(data) - 8 - size, len(data) - 8):
        bad = io.BytesIO(data[:at] + bytes([data[at] ^ change]) + data[at + 1 :])
        try:
            for start, stop in parquet_splits(bad, ["id", "n"]):
                rows = sum(part.rows.num_rows for part in read_parquet(bad, start, stop, ["id", "n"]))
                assert rows <= 4
        except Unreadable:
            continue


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no parquet at all", _file(9, 3)[:-20]])
def test_what_is_no_parquet_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable, match="not a whole Parquet file"):
        parquet_splits(io.BytesIO(data), ["id"])


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False, "column_encoding": {"id": "DELTA_BYTE_ARRAY"}}])
def test_a_long_text_in_every_row_is_read_a_part_at_a_time(options: dict[str, object]) -> None:
    sink = io.BytesIO()
    ids = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2_000, np.int32)), pa.array(["x" * 1_000_000]))
    pq.write_table(
        pa.table({"id": ids if not options else ids.dictionary_decode().slice(0, 300)}),
        sink,
        store_schema=False,
        **options,
    )
    assert len(sink.getvalue()) < 2_000_000
    sizes = []
    for rows, rejected in read_parquet(io.BytesIO(sink.getvalue()), 0, 1, ["id"]):
        assert not rejected
        sizes.append((rows.num_rows, rows.nbytes))
    assert sum(rows for rows, _ in sizes) == (300 if options else 2_000)
    assert max(size for _, size in sizes) < 1.1 * parquet_batches.BLOCK_BYTES


def test_two_columns_of_a_wanted_name_are_unreadable() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1, 2]), pa.array([3, 4])], names=["id", "id"]), sink)
    with pytest.raises(Unreadable, match="2 columns of the name `id`") as told:
        parquet_splits(sink, ["id"])
    assert told.value.rejection.records == 2
    assert parquet_splits(sink, ["other"]) == [(0, 1)]


KINDS = [
    pa.string_view(),
    pa.binary_view(),
    pa.dictionary(pa.int8(), pa.string()),
    pa.uuid(),
    pa.json_(),
    pa.list_(pa.string_view()),
    pa.map_(pa.string(), pa.int8()),
    pa.struct([("n", pa.timestamp("ns", "Mars/X"))]),
    pa.float16(),
    pa.null(),
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_columns_of_any_type_go_together_across_row_groups(kind: pa.DataType) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": np.arange(9), "x": pa.nulls(9, kind)}), sink, row_group_size=2)
    ((rows, rejected),) = read_parquet(sink, 0, 5, ["n", "x"])
    assert (rows["n"].to_pylist(), rows["x"].null_count, rejected) == (list(range(9)), 9, [])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.large_binary(), pa.string_view()], ids=str)
def test_texts_go_together_however_each_row_group_is_read(monkeypatch: pytest.MonkeyPatch, kind: pa.DataType) -> None:
    monkeypatch.setattr(parquet_batches, "BLOCK_BYTES", 3_000)
    sink = io.BytesIO()
    texts = ["x" * 900] * 4 + ["y"] * 4
    pq.write_table(pa.table({"id": pa.array(texts).cast(kind)}), sink, row_group_size=4)
    parts = list(read_parquet(sink, 0, 2, ["id"]))
    assert [str(value.as_py()) for rows, _ in parts for value in rows["id"].cast(pa.string())] == texts
    assert not any(rejected for _, rejected in parts)
