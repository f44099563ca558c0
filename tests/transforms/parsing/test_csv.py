"""CSV: fields as they are written, bad lines alone, and that a block gives what its lines give."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.parsing.blocks import line_block
from transforms.parsing import fallback
from transforms.parsing.csv import Dialect, header_names, parse_csv_lines
from transforms.parsing.raw import POSITION

DIALECT = Dialect(("p", "q"), ",", ("", "NULL"))


def _parse(lines: list[bytes], dialect: Dialect = DIALECT) -> tuple[list[tuple[Any, ...]], list[tuple[str, str]]]:
    rows, rejected = parse_csv_lines(line_block(lines), dialect, ["q", "p"])
    assert rows.schema.names == ["q", "p", POSITION]
    found = [(row["p"], row["q"]) for row in rows.to_pylist()]
    return found, [(item.position, item.reason) for item in rejected]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"a,b", ("a", "b")),
        (b"a,b\r", ("a", "b")),
        (b"1, x ", ("1", " x ")),
        (b",", (None, None)),
        (b'"",NULL', (None, None)),
        (b'"a,b","c""d"', ("a,b", 'c"d')),
        (b'a"b,c', ('a"b', "c")),
        (b'"ab"c,d', ("abc", "d")),
        ("é,ü".encode(), ("é", "ü")),
        (b'"a\rb",c', ("a\rb", "c")),
    ],
)
def test_good_lines(line: bytes, fields: tuple[str | None, str | None]) -> None:
    assert _parse([b"x,y", line, b"x,z"]) == ([("x", "y"), fields, ("x", "z")], [])


@pytest.mark.parametrize("line", [b"a", b"a,b,c", b'"a,b', b'a,"b', b'x"y,"z', b"a\rb,c", b"a,b\rc,d", b" ", b'""'])
def test_a_bad_line_is_rejected_alone(line: bytes) -> None:
    rows, rejected = _parse([b"x,y", line, b"x,z"])
    assert rows == [("x", "y"), ("x", "z")]
    assert rejected == [("line 2", "malformed_csv")]


def test_other_delimiters_and_headers() -> None:
    assert _parse([b"a\tb,c"], Dialect(("p", "q"), "\t", ("",))) == ([("a", "b,c")], [])
    assert header_names(b'Call Time, "x",y', ",") == ("Call Time", ' "x"'.strip(), "y")


def test_a_field_may_be_long() -> None:
    long = b"x" * 200_000
    assert _parse([b"a," + long, b'"b,' + long]) == ([("a", long.decode())], [("line 2", "malformed_csv")])


LINES = st.one_of(
    st.text(st.sampled_from('ab," \r'), max_size=8).map(str.encode),
    st.sampled_from([b"a,b", b'"a","b"', b'x,"y', b'z"', b'"', b"a\rb,c", b'x"y,"z', b'"a",""b']),
).filter(lambda line: line.rstrip(b"\r") and not line.endswith(b"\r"))


@settings(max_examples=300)
@given(st.lists(LINES, max_size=8), st.integers(1, 3))
def test_a_block_gives_what_its_lines_give(lines: list[bytes], careful: int) -> None:
    single = [_parse([line]) for line in lines]
    before, fallback.CAREFUL_LINES = fallback.CAREFUL_LINES, careful
    try:
        rows, rejected = _parse(lines)
    finally:
        fallback.CAREFUL_LINES = before
    assert rows == [row for found, _ in single for row in found]
    assert len(rows) + len(rejected) == len(lines)
