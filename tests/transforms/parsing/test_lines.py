"""Lines: each exactly once, wherever ranges and chunks are cut; bad ones rejected alone."""

import gzip
import io
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.parsing.line_block import LineBlock
from transforms.parsing.lines import read_lines
from transforms.parsing.raw import Rejection
from transforms.parsing.unpacked import unpacked

MAX = 50
TEXTS = st.lists(st.one_of(st.binary(max_size=8), st.sampled_from([b"", b"\n", b"\r\n", b"x" * 60, b"\xc3\xa9"])))


def _read(
    data: bytes, start: int = 0, stop: int | None = None, chunk: int = 1 << 20
) -> tuple[list[tuple[str, bytes]], list[Rejection]]:
    """Return position and text of each good line, and the rejections."""
    lines: list[tuple[str, bytes]] = []
    rejections: list[Rejection] = []
    for block, rejected in read_lines(io.BytesIO(data), start, stop, MAX, chunk):
        assert block.data.count(b"\n") >= len(block)
        lines += [(f"{block.unit} {block.positions[i]}", line) for i, line in enumerate(block.lines())]
        rejections += rejected
    return lines, rejections


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n\r\n\n", []),
        (b"a\nbc\n", [("line 1", b"a"), ("line 2", b"bc")]),
        (b"a\r\n\r\nbc", [("line 1", b"a"), ("line 3", b"bc")]),
        (b"\xef\xbb\xbfa\nb", [("line 1", b"a"), ("line 2", b"b")]),
        (b"\xef\xbb\xbf\nb", [("line 2", b"b")]),
        (b"a\rb\n", [("line 1", b"a\rb")]),
    ],
)
@pytest.mark.parametrize("chunk", [4, 1000])
def test_lines(data: bytes, lines: list[tuple[str, bytes]], chunk: int) -> None:
    assert _read(data, chunk=chunk) == (lines, [])


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize(
    ("bad", "reason"), [(b"x" * 51, "oversize_record"), (b"x\xff", "invalid_utf8"), (b"\xc3", "invalid_utf8")]
)
def test_a_bad_line_is_rejected_alone(bad: bytes, reason: str, chunk: int) -> None:
    lines, rejections = _read(b"a\n" + bad + b"\nb\n", chunk=chunk)
    assert lines == [("line 1", b"a"), ("line 3", b"b")]
    assert [(item.position, item.reason, item.length) for item in rejections] == [("line 2", reason, len(bad))]
    assert rejections[0].digest == Rejection.of("", "", "", bad).digest


@pytest.mark.parametrize("chunk", [7, 1000])
def test_a_line_may_be_as_long_as_allowed(chunk: int) -> None:
    assert _read(b"a\n" + b"x" * MAX + b"\nb\n", chunk=chunk) == (
        [("line 1", b"a"), ("line 2", b"x" * MAX), ("line 3", b"b")],
        [],
    )


def test_lines_of_a_later_range_are_found_by_byte() -> None:
    assert _read(b"ab\ncd\nef\n", 1, 6) == ([("byte 3", b"cd")], [])
    assert _read(b"ab\ncd\nef\n", 3, 7) == ([("byte 3", b"cd"), ("byte 6", b"ef")], [])
    assert _read(b"ab\ncd", 4, 5) == ([], [])


@given(TEXTS, st.lists(st.integers(0, 100), max_size=4), st.integers(1, 40))
def test_ranges_and_chunks_make_no_difference(texts: list[bytes], cuts: list[int], chunk: int) -> None:
    data = b"".join(texts)
    whole, rejected = _read(data)
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parts = [_read(data, a, b, chunk) for a, b in itertools.pairwise(bounds)]
    assert [line for lines, _ in parts for _, line in lines] == [line for _, line in whole]
    reasons = [item.reason for _, rejections in parts for item in rejections]
    assert sorted(reasons) == sorted(item.reason for item in rejected)


@given(TEXTS)
def test_no_line_is_lost(texts: list[bytes]) -> None:
    data = b"".join(texts)
    lines, rejections = _read(data)
    records = [
        line for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.rstrip(b"\r") or b"\r\r" in line
    ]
    assert len(lines) + len(rejections) == len([line for line in records if line != b"\r"])


def test_a_torn_stream_gives_what_came_before() -> None:
    packed = gzip.compress(b"".join(b"line %d\n" % i for i in range(5000)))[:-100]
    stream = unpacked(io.BytesIO(packed), "gzip")
    found = list(read_lines(stream, 0, None, MAX, 1000))
    assert sum(len(block) for block, _ in found) > 1000
    assert [item.reason for _, rejected in found for item in rejected] == ["torn_stream"]


def test_an_error_of_the_disk_is_no_rejection() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        list(read_lines(Broken(), 0, None, MAX))


def test_memory_does_not_grow_with_a_line() -> None:
    class Endless(io.BytesIO):
        left = 100

        def read(self, size: int | None = -1, /) -> bytes:
            self.left -= 1
            return b"x" * 1000 if self.left >= 0 else b""

    ((block, rejected),) = list(read_lines(Endless(), 0, None, MAX, 1000))
    assert len(block) == 0
    assert [(item.reason, item.length, item.payload) for item in rejected] == [("oversize_record", 100_000, None)]


def test_halves_and_without_keep_lines_and_positions() -> None:
    ((block, _),) = list(read_lines(io.BytesIO(b"a\n\nbb\r\nccc\nd\n"), 0, None, MAX))
    first, second = block.halves()
    assert first.lines() + second.lines() == block.lines() == [b"a", b"bb", b"ccc", b"d"]
    assert second.positions.tolist() == [4, 5]
    good, bad = block.without(np.array([False, True, False, True]), "why", "so")
    assert isinstance(good, LineBlock)
    assert (good.data, good.lines(), good.positions.tolist()) == (b"a\nccc\n", [b"a", b"ccc"], [1, 4])
    assert [(item.position, item.payload) for item in bad] == [("line 3", b"bb"), ("line 5", b"d")]


def test_a_block_ends_with_its_last_record() -> None:
    (block,) = (block for block, _ in read_lines(io.BytesIO(b"a\nb\nc\n"), 0, 3, MAX, 1 << 20))
    assert block.data == b"a\nb\n"
