"""Files are whole, sorted, the same for any order of rows, and say what the table says."""

import base64
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import INSTANT
from transforms.arrays import table_files

GATE = pa.struct([("gate", pa.string()), ("until", INSTANT)])
SCHEMA = pa.schema(
    [
        pa.field("tick", INSTANT, nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("payload", pa.binary()),
        pa.field("context", pa.struct([("mb", pa.float64()), ("since", INSTANT), ("n", pa.int64())])),
        pa.field("gates", pa.list_(GATE)),
    ]
)
WIRE = SCHEMA.set(0, pa.field("tick", pa.int64()))

rows = st.fixed_dictionaries(
    {
        "tick": st.integers(0, 4_000_000_000_000),
        "subject": st.text(st.characters(codec="utf-8"), max_size=4),
        "payload": st.none() | st.binary(max_size=4),
        "context": st.none()
        | st.fixed_dictionaries(
            {
                "mb": st.none() | st.floats(allow_nan=False, allow_infinity=False),
                "since": st.none() | st.integers(0, 4_000_000_000_000),
                "n": st.none() | st.integers(-(2**63), 2**63 - 1),
            }
        ),
        "gates": st.none() | st.lists(st.fixed_dictionaries({"gate": st.text("ab"), "until": st.none()}), max_size=2),
    }
)


def _batches(wanted: list[dict[str, Any]], size: int) -> list[pa.RecordBatch]:
    chunks = [wanted[first : first + size] for first in range(0, len(wanted), size)]
    return [pa.RecordBatch.from_pylist(chunk, WIRE.with_metadata({"signal": "x"})) for chunk in chunks]


def _table(wanted: list[dict[str, Any]], size: int = 100) -> pa.Table:
    return table_files.sorted_table(_batches(wanted, size), SCHEMA, ("tick", "subject"))


def _bytes(table: pa.Table) -> tuple[bytes, bytes]:
    parquet, lines = io.BytesIO(), io.BytesIO()
    table_files.write_parquet(table, parquet)
    table_files.write_json_lines(table, lines)
    return parquet.getvalue(), lines.getvalue()


def _milliseconds(text: str | None) -> int | None:
    return None if text is None else pa.array([text]).cast(INSTANT).cast(pa.int64())[0].as_py()


@given(
    st.lists(rows, max_size=12, unique_by=lambda row: (row["tick"], row["subject"])), st.randoms(), st.integers(1, 5)
)
def test_the_bytes_do_not_depend_on_order_or_batches(wanted: list[dict[str, Any]], random: Any, size: int) -> None:
    expected = _bytes(_table(wanted))
    random.shuffle(wanted)
    assert _bytes(_table(wanted, size)) == expected


@given(st.lists(rows, max_size=12))
def test_json_lines_say_what_the_table_says(wanted: list[dict[str, Any]]) -> None:
    table = _table(wanted)
    found = [json.loads(line) for line in _bytes(table)[1].decode().split("\n")[:-1]]
    for row in found:
        row["tick"] = _milliseconds(row["tick"])
        row["payload"] = None if row["payload"] is None else base64.b64decode(row["payload"])
        if row["context"]:
            row["context"]["since"] = _milliseconds(row["context"]["since"])
    expected = table.set_column(0, "tick", table["tick"].cast(pa.int64())).to_pylist()
    for row in expected:
        if row["context"] and row["context"]["since"]:
            row["context"]["since"] = int(row["context"]["since"].timestamp() * 1000 + 0.5)
    assert found == expected


def test_json_lines_are_the_same_in_any_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        {
            "tick": n,
            "subject": "s",
            "payload": b"x",
            "context": {"mb": 1.5, "since": n, "n": n},
            "gates": [{"gate": "a"}] * n,
        }
        for n in range(7)
    ]
    whole = _bytes(_table(wanted))[1]
    monkeypatch.setattr(table_files, "_ROWS", 2)
    assert _bytes(_table(wanted))[1] == whole


def test_instants_are_rfc_3339_in_utc_with_milliseconds() -> None:
    (line,) = _bytes(_table([{"tick": 1767593100000, "subject": "s"}]))[1].splitlines()
    assert json.loads(line)["tick"] == "2026-01-05T06:05:00.000Z"


def test_no_rows_still_make_a_file_with_the_schema() -> None:
    parquet, lines = _bytes(_table([]))
    assert pq.read_schema(io.BytesIO(parquet)) == SCHEMA
    assert lines == b""


def test_ties_go_by_the_columns_that_are_left() -> None:
    wanted = [{"tick": 1, "subject": "s", "payload": payload} for payload in (b"b", None, b"a")]
    assert _table(wanted)["payload"].to_pylist() == [b"a", b"b", None]


def test_json_text_becomes_part_of_the_line() -> None:
    schema = pa.schema([pa.field("params", pa.string()), pa.field("n", pa.int64())])
    texts = ['{"left_mb":1.5}', None, '{"é\\n":"}"}']
    sink = io.BytesIO()
    table_files.write_json_lines(pa.table([texts, range(3)], schema=schema), sink, objects=("params",))
    found = [json.loads(line) for line in sink.getvalue().decode().split("\n")[:-1]]
    assert found == [{"n": n, "params": text and json.loads(text)} for n, text in enumerate(texts)]
