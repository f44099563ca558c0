"""Records of CSV: whole, wherever chunks and ranges are cut."""

import io
import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transforms.parsing.csv_records import Quoting
from transforms.parsing.lines import read_lines

REACH = 40
QUOTING = Quoting(",", REACH)
PIECES = st.sampled_from(
    [b"a", b",", b'"', b"\n", b"\r\n", b'""', b'"\n', b',"', b'",', b"a,b\n", b'"x\ny",z\n', b"\r"]
)
TEXTS = st.lists(PIECES, max_size=40).map(b"".join)


def _records(data: bytes, start: int = 0, stop: int | None = None, chunk: int = 1 << 20) -> list[bytes]:
    found = read_lines(io.BytesIO(data), start, stop, 1000, chunk, QUOTING.record_ends, REACH)
    return [line for block, rejected in found for line in [*block.lines(), *(item.payload or b"" for item in rejected)]]


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b'a,"x\ny",c\nz\n', [b'a,"x\ny",c', b"z"]),
        (b'a,"x\r\n\r\ny"\r\nz', [b'a,"x\r\n\r\ny"', b"z"]),
        (b'a,"x\ny,c\nz\n', [b'a,"x', b"y,c", b"z"]),
        (b'a,"x\ny"z,c\nw\n', [b'a,"x', b'y"z,c', b"w"]),
        (b'a,"x\n' + b"1,2\n" * 20 + b'y",c\n', [b'a,"x', *[b"1,2"] * 20, b'y",c']),
        (b'"', [b'"']),
    ],
)
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_records(data: bytes, records: list[bytes], chunk: int) -> None:
    assert _records(data, chunk=chunk) == records


@given(TEXTS, st.integers(1, 50))
def test_chunks_make_no_difference(data: bytes, chunk: int) -> None:
    assert _records(data, chunk=chunk) == _records(data)


@settings(max_examples=500)
@given(TEXTS, st.lists(st.integers(1, 300), max_size=4))
@example(b'",\n' * 40, [30])
def test_ranges_that_start_where_it_is_certain_make_no_difference(data: bytes, cuts: list[int]) -> None:
    starts = {0, len(data)}
    for cut in cuts:
        first = data.find(b"\n", cut - 1) + 1
        if first and (start := QUOTING.certain_start(data[first:], last=True)) is not None:
            starts.add(min(first + start, len(data)))
    parts = [_records(data, a, b) for a, b in itertools.pairwise(sorted(starts))]
    assert [record for part in parts for record in part] == _records(data)


def test_ranges_are_cut_in_ordinary_files() -> None:
    plain, quoted = b"a,b\n" * 100, b'"a","b ""c""\nd"\n' * 100
    assert QUOTING.certain_start(plain, last=False) == 0
    assert QUOTING.certain_start(quoted, last=False) == 0
    assert QUOTING.certain_start(b'd"\n' + quoted, last=False) == 3
    assert QUOTING.certain_start(b'",\n' * 100, last=False) is None
