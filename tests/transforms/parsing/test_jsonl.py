"""JSON Lines: what is a signal's line, what is not, and that a block gives what its lines give."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import INSTANT
from tests.transforms.parsing.blocks import line_block
from transforms.parsing import fallback
from transforms.parsing.jsonl import parse_json_lines
from transforms.parsing.raw import POSITION

TYPES = {"a": pa.int64(), "s": pa.string(), "d": pa.float64(), "b": pa.bool_(), "t": INSTANT, "odd name": pa.string()}


def _parse(
    lines: list[bytes], types: dict[str, pa.DataType] = TYPES
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    rows, rejected = parse_json_lines(line_block(lines), types)
    assert rows.schema.names == [*types, POSITION]
    kinds = [pa.int64() if kind == INSTANT else kind for kind in types.values()]
    assert [rows.schema.field(name).type for name in types] == kinds
    return rows.to_pylist(), [(item.position, item.reason) for item in rejected]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b"{}", {}),
        (b' {"a": 1}  ', {"a": 1}),
        (
            b'{"a": 1, "s": "x", "d": 0.5, "b": true, "odd name": "y"}',
            {"a": 1, "s": "x", "d": 0.5, "b": True} | {"odd name": "y"},
        ),
        (b'{"a": null, "s": null}', {}),
        (b'{"a": -9223372036854775808}', {"a": -(2**63)}),
        (b'{"d": 5}', {"d": 5.0}),
        (b'{"s": "NaN, } {Inf"}', {"s": "NaN, } {Inf"}),
        (b'{"s": "\\u00e9\\n"}', {"s": "é\n"}),
        (b'{"a": 1, "x": {"y": [1, {"z": 2}]}}', {"a": 1}),
        (b'{"\\u0061": 7}', {"a": 7}),
        (b'{"t": 1767571200123}', {"t": 1767571200123}),
        (b'{"t": "2026-01-05T02:00:00.123+02:00"}', {"t": 1767571200123}),
        (b'{"t": "1767571200123"}', {"t": 1767571200123}),
    ],
)
def test_good_lines(line: bytes, wanted: dict[str, Any]) -> None:
    rows, rejected = _parse([b'{"a": 0}', line])
    assert rejected == []
    assert rows[1] == dict.fromkeys(TYPES) | wanted | {POSITION: 2}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "malformed_json"),
        (b"null", "wrong_type"),
        (b"[]", "wrong_type"),
        (b"1", "wrong_type"),
        (b'{"a": 1} {"a": 2}', "malformed_json"),
        (b'{"a": 1} null {"a": 2}', "malformed_json"),
        (b'{"a": 1},{"a": 2}', "malformed_json"),
        (b'{"a": 1}x', "malformed_json"),
        (b"{'a': 1}", "malformed_json"),
        (b'{"a": 01}', "malformed_json"),
        (b'{"d": NaN}', "malformed_json"),
        (b'{"x": NaN}', "malformed_json"),
        (b'{"d": -Infinity}', "malformed_json"),
        (b'{"d": Inf}', "malformed_json"),
        (b'{"d": 1e999}', "out_of_range"),
        (b'{"s": "\\ud800"}', "malformed_json"),
        (b'{"s": "a\tb"}', "malformed_json"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "malformed_json"),
        (b'{"x":' * 100_000 + b"1" + b"}" * 100_000, "malformed_json"),
        (b'{"a": 1.5}', "wrong_type"),
        (b'{"a": 1e2}', "wrong_type"),
        (b'{"a": "1"}', "wrong_type"),
        (b'{"a": true}', "wrong_type"),
        (b'{"a": 9223372036854775808}', "out_of_range"),
        (b'{"a": -9223372036854775809}', "out_of_range"),
        (b'{"a": ' + b"9" * 500 + b"}", "out_of_range"),
        (b'{"s": 5}', "wrong_type"),
        (b'{"s": {}}', "wrong_type"),
        (b'{"d": "5"}', "wrong_type"),
        (b'{"b": 1}', "wrong_type"),
        (b'{"t": "yesterday"}', "wrong_type"),
        (b'{"t": "2026-13-05T00:00:00Z"}', "wrong_type"),
        (b'{"t": 1.5}', "wrong_type"),
        (b'{"t": true}', "wrong_type"),
        (b'{"t": "99999999999999999999"}', "out_of_range"),
        (b'{"t": 9223372036854775808}', "out_of_range"),
    ],
)
def test_a_bad_line_is_rejected_alone(line: bytes, reason: str) -> None:
    rows, rejected = _parse([b'{"a": 1}', line, b'{"a": 3}'])
    assert [row["a"] for row in rows] == [1, 3]
    assert [row[POSITION] for row in rows] == [1, 3]
    assert rejected == [("line 2", reason)]


@pytest.mark.parametrize("key", ["plain", 'size "MB"'])
@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        ('"1.50"', pa.float64(), 1.5),
        ("3", pa.float64(), 3.0),
        ("true", pa.float64(), "wrong_type"),
        ('"07"', pa.int64(), 7),
        ("5.0", pa.int64(), 5),
        ("5.5", pa.int64(), "wrong_type"),
        ('"9223372036854775808"', pa.int64(), "out_of_range"),
        ("1e20", pa.int64(), "out_of_range"),
        ("12345678901234567890", pa.string(), "12345678901234567890"),
        ("true", pa.string(), "true"),
        ("1.5", pa.string(), "wrong_type"),
        ('"false"', pa.bool_(), False),
        ("true", pa.bool_(), True),
        ("1", pa.bool_(), "wrong_type"),
        ('"2026-01-05 00:00:00.123000000"', INSTANT, 1767571200123),
        ("1767571200123.0", INSTANT, 1767571200123),
        ("null", pa.int64(), None),
    ],
)
def test_what_is_given_again_may_be_of_a_file_of_any_format(
    key: str, value: str, kind: pa.DataType, wanted: Any
) -> None:
    line = f"{{{json.dumps(key)}: {value}}}".encode()
    rows, rejected = parse_json_lines(line_block([line, b"{oops"]), {key: kind}, again=True)
    refused = (kind != pa.string() and isinstance(wanted, str)) or wanted == "wrong_type"
    assert rows.to_pylist() == ([] if refused else [{key: wanted, POSITION: 1}])
    assert sorted((item.position, item.reason) for item in rejected) == [
        *([("line 1", wanted)] if refused else []),
        ("line 2", "malformed_json"),
    ]


@pytest.mark.parametrize(
    "key",
    ['size "MB"', '"', "a\\b", "\\", "\\u0061", "line\nfeed", "tab\t", "\x01", "\x7f", "€ 1", "{}", "c0", " ", ""],
)
@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        ("3.5", pa.float64(), 3.5),
        ("9223372036854775807", pa.int64(), 2**63 - 1),
        ("9223372036854775808", pa.int64(), "out_of_range"),
        ("1e999", pa.float64(), "out_of_range"),
        ('"5"', pa.float64(), "wrong_type"),
        ('"x', pa.string(), "malformed_json"),
        ("null", pa.string(), None),
        ('"2026-01-05T00:00:00.123Z"', INSTANT, 1767571200123),
        ('"soon"', INSTANT, "wrong_type"),
    ],
)
@pytest.mark.parametrize("beside", ["{}", "{oops"])
def test_a_key_of_any_characters(key: str, value: str, kind: pa.DataType, wanted: Any, beside: str) -> None:
    line = f"{{{json.dumps(key)}: {value}}}".encode()
    rows, rejected = _parse([line, beside.encode()], {key: kind})
    refused = isinstance(wanted, str)
    assert [row[key] for row in rows if row[POSITION] == 1] == ([] if refused else [wanted])
    assert sorted(rejected) == [("line 1", wanted)] * refused + [("line 2", "malformed_json")] * (beside != "{}")


@pytest.mark.parametrize("key", ["plain", 'size "MB"', "a\\b", "line\nfeed"])
@pytest.mark.parametrize(
    ("values", "wanted"), [((1, 2), 2), ((1, None), None), (("x", 2), "wrong_type"), ((2**63, 2), "out_of_range")]
)
def test_of_a_key_that_comes_twice_the_last_value_counts(key: str, values: tuple[Any, Any], wanted: Any) -> None:
    first, last = map(json.dumps, values)
    name = json.dumps(key)
    rows, rejected = _parse([f"{{{name}: {first}, {name}: {last}}}".encode()], {key: pa.int64()})
    if isinstance(wanted, str):
        assert (rows, rejected) == ([], [("line 1", wanted)])
    else:
        assert (rows, rejected) == ([{key: wanted, POSITION: 1}], [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*TYPES, "x"]), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from([*TYPES, "x"]), JSON, max_size=5)
LINES = st.one_of(
    OBJECTS.map(lambda value: json.dumps(value).encode()),
    st.tuples(OBJECTS, st.sampled_from([" ", "  null ", ","]), OBJECTS).map(
        lambda parts: f"{json.dumps(parts[0])}{parts[1]}{json.dumps(parts[2])}".encode()
    ),
    st.text(st.sampled_from('{}[]",:01.eE-+\\nulltrue NaI'), max_size=20).map(str.encode),
    st.sampled_from([b'{"t": 5}', b'{"t": "2026-01-05T02:00:00Z"}', b'{"t": "soon"}']),
    st.sampled_from([b'{"a": 1}', b'{"d": -0}', b'{"s": "}"}', b'{"x":', b'{"x":[', b"]}", b"}", b'"}', b"null"]),
).filter(lambda line: line.strip(b"\r") and b"\n" not in line)


@settings(max_examples=300)
@given(st.lists(LINES, max_size=8), st.integers(1, 3))
def test_a_block_gives_what_its_lines_give(lines: list[bytes], careful: int) -> None:
    single = [_parse([line]) for line in lines]
    before, fallback.CAREFUL_LINES = fallback.CAREFUL_LINES, careful
    try:
        rows, rejected = _parse(lines)
    finally:
        fallback.CAREFUL_LINES = before
    assert [_bare(row) for row in rows] == [_bare(row) for found, _ in single for row in found]
    assert sorted(reason for _, reason in rejected) == sorted(reason for _, found in single for _, reason in found)
    assert len(rows) + len(rejected) == len(lines)


def _bare(row: dict[str, Any]) -> str:
    return repr(
        {
            name: value + 0.0 if name == "d" and value is not None else value
            for name, value in row.items()
            if name != POSITION
        }
    )
