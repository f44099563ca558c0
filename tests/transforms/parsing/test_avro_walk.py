"""Avro records that are not flat: what nobody reads is walked over, what is mapped is no value of a signal."""

import io
import time
from datetime import time as clock
from decimal import Decimal
from typing import Any

import pytest

from tests.transforms.parsing.avro_files import block, header, long, records
from transforms.parsing.avro import avro_fields, read_avro
from transforms.parsing.raw import POSITION

TREE = {"type": "record", "name": "tree", "fields": [{"name": "left", "type": ["null", "tree"]}]}
UNUSED = {
    "array": ({"type": "array", "items": "string"}, ["a", "", "bc"]),
    "empty array": ({"type": "array", "items": "long"}, []),
    "array of nothing": ({"type": "array", "items": "null"}, [None, None]),
    "map": ({"type": "map", "values": ["null", "double"]}, {"a": 1.5, "b": None}),
    "record": ({"type": "record", "name": "r", "fields": [{"name": "a", "type": "string"}]}, {"a": "x"}),
    "recursive": (["null", TREE], {"left": {"left": None}}),
    "itself": (["null", "t.raw"], None),
    "fixed": ({"type": "fixed", "name": "f", "size": 3}, b"abc"),
    "union": (["null", "long", "string", "boolean"], "x"),
    "union of one": (["long"], 300),
    "null": ("null", None),
    "duration": ({"type": "fixed", "name": "d", "size": 12, "logicalType": "duration"}, b"x" * 12),
}


def _schema(kind: Any, *, text: bool = True) -> dict[str, Any]:
    ids = {"name": "id", "type": "string" if text else "long"}
    fields = [{"name": "first", "type": "int"}, {"name": "x", "type": kind}, ids]
    return {"type": "record", "name": "raw", "namespace": "t", "fields": fields}


def _read(data: bytes, *wanted: str) -> tuple[list[dict[str, Any]], list[tuple[str, int | None]]]:
    rows: list[dict[str, Any]] = []
    rejections: list[tuple[str, int | None]] = []
    for found, rejected in read_avro(io.BytesIO(data), 0, len(data), wanted):
        rows += found.drop_columns([POSITION]).to_pylist()
        rejections += [(item.reason, item.records) for item in rejected]
    return rows, rejections


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize(("kind", "value"), UNUSED.values(), ids=UNUSED)
def test_what_nobody_reads_is_walked_over(kind: Any, value: Any, text: bool) -> None:
    schema = _schema(kind, text=text)
    rows = [{"first": i, "x": value, "id": f"e{i}" if text else i} for i in range(5)]
    data = header(schema) + block(3, records(rows[:3], schema)) + block(2, records(rows[3:], schema))
    expected = [{"first": i, "id": f"e{i}".encode() if text else i} for i in range(5)]
    assert _read(data, "first", "id") == (expected, [])


@pytest.mark.parametrize("kind", ["array", "map", "record", "union", "recursive", "duration"])
def test_what_is_mapped_and_not_flat_is_no_value(kind: str) -> None:
    declared, value = UNUSED[kind]
    schema = _schema(declared)
    data = header(schema) + block(1, records([{"first": 1, "x": value, "id": "e"}], schema))
    field = next(field for field in avro_fields(io.BytesIO(data))[1] if field.name == "x")
    (row,) = _read(data, "x")[0]
    assert str(field.arrow).startswith("struct<")
    assert row["x"] is not None


DECIMAL = {"logicalType": "decimal", "precision": 20, "scale": 2}
EXACT = {
    "bytes": ({"type": "bytes", **DECIMAL}, Decimal("-90071992547409.93"), Decimal("-90071992547409.93")),
    "fixed": ({"type": "fixed", "name": "f", "size": 9, **DECIMAL}, Decimal("0.01"), Decimal("0.01")),
    "null": (["null", {"type": "bytes", **DECIMAL}], None, None),
    "large": ({"type": "bytes", **DECIMAL, "precision": 60}, Decimal(10) ** 50, Decimal(10) ** 50),
    "time": ({"type": "int", "logicalType": "time-millis"}, clock(9, 30), clock(9, 30)),
    "no time": (["null", {"type": "int", "logicalType": "time-millis"}], None, None),
    "exact time": ({"type": "long", "logicalType": "time-micros"}, clock(9, 30, 0, 1), clock(9, 30, 0, 1)),
    "fixed text": ({"type": "fixed", "name": "f", "size": 3}, b"abc", b"abc"),
}


@pytest.mark.parametrize(("kind", "value", "found"), EXACT.values(), ids=EXACT)
def test_values_of_fixed_size_decimals_and_times(kind: Any, value: Any, found: Any) -> None:
    schema = _schema(kind)
    data = header(schema) + block(1, records([{"first": 1, "x": value, "id": "e"}], schema))
    assert _read(data, "x") == ([{"x": found}], [])


ROW = long(7) + long(1) + b"a" + long(0) + long(2) + b"e1"
TEXTS = {"type": "array", "items": "string"}
HOSTILE = {
    "cut off": (TEXTS, ROW[:-1], 1),
    "more": (TEXTS, ROW + b"x", 1),
    "huge array": (TEXTS, long(7) + long(1 << 62) + ROW, 1),
    "huge array of nothing": ({"type": "array", "items": "null"}, long(7) + long(1 << 62), 1),
    "no such branch": (["null", "long", "string"], long(7) + long(3) + ROW, 1),
    "a negative size": ({"type": "map", "values": "string"}, long(7) + long(-1) + long(1 << 40) + ROW, 1),
    "for ever": ({"type": "record", "name": "r", "fields": [{"name": "r", "type": "r"}]}, ROW, 1),
    "deep": (["null", TREE], long(7) + long(1) * 50_000, 1),
    "too many": (TEXTS, ROW, 1 << 62),
}


@pytest.mark.parametrize(("kind", "data", "count"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_block_is_rejected_alone(kind: Any, data: bytes, count: int) -> None:
    schema = _schema(kind)
    started = time.perf_counter()
    rows, rejected = _read(header(schema) + block(0, b"") + block(count, data) + block(0, b""), "id")
    assert time.perf_counter() - started < 5
    assert (rows, rejected) == ([], [("torn_block", 1) if count == 1 else ("exploding_block", None)])
