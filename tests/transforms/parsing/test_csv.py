"""CSV: fields as they are written, bad records alone, and that a block gives what its records give."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.parsing.blocks import line_block
from transforms.parsing import fallback
from transforms.parsing.csv import Dialect, parse_csv_lines
from transforms.parsing.csv_records import Quoting
from transforms.parsing.raw import POSITION

QUOTING = Quoting(",", 1 << 20)
DIALECT = Dialect(("p", "q"), QUOTING, ("", "NULL"))


def _parse(lines: list[bytes], dialect: Dialect = DIALECT) -> tuple[list[tuple[Any, ...]], list[tuple[str, str]]]:
    rows, rejected = parse_csv_lines(line_block(lines, dialect.quoting), dialect, ["q", "p"])
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
        (b'"""","""x"""', ('"', '"x"')),
        (b'a"b,c', ('a"b', "c")),
        (b'5" x,12" y', ('5" x', '12" y')),
        ("é,ü".encode(), ("é", "ü")),
        (b'"a\rb",c', ("a\rb", "c")),
        (b'"a\r\nb",c', ("a\r\nb", "c")),
        (b'"a\n\n,\nb",c', ("a\n\n,\nb", "c")),
        (b'a,"1,2\n3,4\n"', ("a", "1,2\n3,4\n")),
    ],
)
def test_good_records(line: bytes, fields: tuple[str | None, str | None]) -> None:
    assert _parse([b"x,y", line, b"x,z"]) == ([("x", "y"), fields, ("x", "z")], [])


BAD = [b"a", b"a,b,c", b'"a,b', b'a,"b', b'x"y,"z', b"a\rb,c", b"a,b\rc,d", b" ", b'""', b'"ab"c,d', b'a",b', b'a, "b"']


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_is_rejected_alone(line: bytes) -> None:
    rows, rejected = _parse([b"x,y", line, b"x,z"])
    assert rows == [("x", "y"), ("x", "z")]
    assert rejected == [("line 2", "malformed_csv")]


@pytest.mark.parametrize("lines", [[b'"a', b'b"'], [b'"a', b"1,2", b'b",c,d'], [b"1", b'2,"', b"3,4", b'"']])
def test_a_bad_record_of_several_lines_is_rejected_whole(lines: list[bytes]) -> None:
    rows, rejected = _parse([b"x,y", *lines, b"x,z"])
    assert (rows[0], rows[-1], len(rows)) == (("x", "y"), ("x", "z"), 2 + (lines[0] == b"1"))
    assert [reason for _, reason in rejected] == ["malformed_csv"]


def test_a_quote_that_never_closes_costs_its_line_only() -> None:
    rows, rejected = _parse([b'a,"b', *[b"x,y"] * 5, b'c,"d', b'"e",f'])
    assert (rows, rejected) == (
        [("x", "y")] * 5 + [("e", "f")],
        [("line 1", "malformed_csv"), ("line 7", "malformed_csv")],
    )


def test_what_is_wrong_is_told_without_values() -> None:
    lines = [b"canary", b'"canary,b', b"canary\rb,c"]
    _, rejected = parse_csv_lines(line_block(lines, QUOTING), DIALECT, ["q"])
    told = [item.message for item in rejected]
    for message, part in zip(told, ("1 field where 2 are expected", "a quote that is not", "a carriage"), strict=True):
        assert message.startswith(part)
        assert "canary" not in message


def test_other_delimiters() -> None:
    assert _parse([b"a\tb,c"], Dialect(("p", "q"), Quoting("\t", 99), ("",))) == ([("a", "b,c")], [])
    for delimiter in "|^]-\\.$ ":
        line = b'a"' + delimiter.encode() + b'"b"'
        assert _parse([b'"a"' + line[2:]], Dialect(("p", "q"), Quoting(delimiter, 99), ("",)))[0] == [("a", "b")]
        assert _parse([line], Dialect(("p", "q"), Quoting(delimiter, 99), ("",)))[1] == [("line 1", "malformed_csv")]


def test_a_field_may_be_long() -> None:
    long = b"x" * 200_000
    assert _parse([b"a," + long, b'"b,' + long]) == ([("a", long.decode())], [("line 2", "malformed_csv")])


LINES = st.one_of(
    st.text(st.sampled_from('ab," \r'), max_size=8).map(str.encode),
    st.sampled_from([b"a,b", b'"a","b"', b'x,"y', b'z"', b'"', b"a\rb,c", b'x"y,"z', b'"a",""b', b'","', b"1,2"]),
)


@settings(max_examples=300)
@given(st.lists(LINES, max_size=8), st.integers(1, 3))
def test_a_block_gives_what_its_records_give(lines: list[bytes], careful: int) -> None:
    records = line_block(lines, QUOTING).lines()
    single = [_parse([record]) for record in records]
    before, fallback.CAREFUL_LINES = fallback.CAREFUL_LINES, careful
    try:
        rows, rejected = _parse(lines)
    finally:
        fallback.CAREFUL_LINES = before
    assert rows == [row for found, _ in single for row in found]
    assert len(rows) + len(rejected) == len(records)
