"""Lines of text files, or records of several: a byte range of a file, or a compressed stream, as blocks of them."""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import BinaryIO

import numpy as np

from transforms.parsing.line_block import LineBlock
from transforms.parsing.raw import Bools, Ints, Rejection
from transforms.parsing.unpacked import BrokenStreamError

CHUNK = 8 << 20
"""Bytes read at a time: what a reader holds, give or take a record."""

FindEnds = Callable[[bytes, int | None], tuple[Ints, bool]]
"""Finds which line feeds end a record, as `Quoting.record_ends` does."""


_NONE = np.empty(0, np.int64)
_NOTHING = LineBlock(b"", _NONE, _NONE, _NONE, "line")


@dataclass
class _Place:
    """Where the next record starts: its byte and, if the range starts with the file, the number of its line."""

    byte: int
    line: int | None

    def __str__(self) -> str:
        return f"byte {self.byte}" if self.line is None else f"line {self.line}"


def line_ends(data: bytes, held: int | None = None) -> tuple[Ints, bool]:
    """Return the offsets of the line feeds; `held` makes no difference where a record is a line."""
    return np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")), True


def read_lines(
    stream: BinaryIO,
    start: int,
    stop: int | None,
    max_bytes: int,
    chunk_bytes: int = CHUNK,
    ends: FindEnds = line_ends,
    reach: int | None = None,
) -> Iterator[tuple[LineBlock, list[Rejection]]]:
    """Read the records that start in a byte range.

    A record belongs to the range in which its first byte lies.

    Args:
        stream: At byte 0; seekable if `start` is not 0.
        start: First byte of the range; where records are several lines, the first of one.
        stop: First byte after it; None: the end of the stream.
        max_bytes: Longer records are rejected without being held.
        chunk_bytes: Bytes to read at a time.
        ends: Finds the ends of records.
        reach: Bytes to hold while `ends` finds none; by default `max_bytes`.

    Yields:
        Blocks of records that are UTF-8 and not empty, and what was rejected beside them: `oversize_record`,
        `invalid_utf8`, and `torn_stream`, of which nobody knows how many.
    """
    place, rest = _at_first(source := _Source(stream, chunk_bytes), stream, start)
    while not source.ended and (stop is None or place.byte < stop):
        data = rest + source.read()
        whole = _whole_lines(data, source)
        found, regular = ends(whole, None if source.ended else len(data))
        cut = int(found[-1]) + 1 if len(found) else 0
        rest = data[cut:]
        if cut:
            yield checked(_block(whole[:cut], found, regular, place, stop), max_bytes)
        elif len(rest) > (reach or max_bytes):
            rejection, rest = _skipped(source, place, rest, max_bytes)
            yield _NOTHING, [rejection]
    if source.broken:
        yield _NOTHING, [_broken(source, place, rest)]


def _at_first(source: "_Source", stream: BinaryIO, start: int) -> "tuple[_Place, bytes]":
    """Go to the first record of a range; return where that is, and what was read of it."""
    place, rest = _Place(start, None if start else 1), b""
    if start:
        stream.seek(start - 1)
        _, skipped, rest = source.line_end(b"")
        place.byte += skipped
    return place, rest


def _skipped(source: "_Source", place: "_Place", rest: bytes, max_bytes: int) -> tuple[Rejection, bytes]:
    """Pass over a record that is too long; return what is told of it, and what was read behind it."""
    digest, length, rest = source.line_end(rest)
    rejection = Rejection(str(place), "oversize_record", _too_long(max_bytes), digest, length)
    _advance(place, length + 1, 1)
    return rejection, rest


def _broken(source: "_Source", place: "_Place", rest: bytes) -> Rejection:
    message = f"the compressed stream breaks off or is damaged, and what follows is lost: {source.broken}"
    return Rejection.of(str(place), "torn_stream", message, rest, records=None)


class _Source:
    """A stream, and how it ended."""

    def __init__(self, stream: BinaryIO, chunk_bytes: int) -> None:
        self._stream, self._chunk_bytes = stream, chunk_bytes
        self.ended = False
        self.broken = ""

    def read(self) -> bytes:
        """Return the next bytes, none at the end, be it a broken one."""
        try:
            chunk = self._stream.read(self._chunk_bytes)
        except BrokenStreamError as error:
            self.broken, chunk = str(error), b""
        self.ended = not chunk
        return chunk

    def line_end(self, data: bytes) -> tuple[str, int, bytes]:
        """Read to the end of a line that is not wanted; return its hash, its length and what follows."""
        line, length = blake2b(digest_size=16), 0
        while data or (data := self.read()):
            part, feed, rest = data.partition(b"\n")
            line.update(part)
            length += len(part)
            if feed:
                return line.hexdigest(), length, rest
            data = b""
        return line.hexdigest(), length, b""


def _whole_lines(data: bytes, source: _Source) -> bytes:
    """Return the lines of `data` that are there to their end: the last one too at the end of a file that is whole."""
    if source.ended and not source.broken:
        return data + b"\n"[: bool(data) and data[-1:] != b"\n"]
    return data[: data.rfind(b"\n") + 1]


def _advance(place: _Place, size: int, lines: int) -> None:
    place.byte += size
    place.line = None if place.line is None else place.line + lines


def _block(data: bytes, ends: Ints, regular: bool, place: _Place, stop: int | None) -> LineBlock:
    """Return the records of `data` that start before `stop`, and move the place behind `data`."""
    first = _Place(place.byte, place.line)
    text = np.frombuffer(data, np.uint8)
    starts = starts_of(ends)
    lines = data.count(b"\n")
    _advance(place, len(data), lines)
    numbers = np.arange(len(ends)) if lines == len(ends) else np.searchsorted(line_ends(data)[0], starts)
    positions = first.byte + starts if first.line is None else first.line + numbers
    marked = first.line == 1 and data.startswith(codecs.BOM_UTF8)
    starts[:1] += len(codecs.BOM_UTF8) * marked
    stops = ends - ((ends > starts) & (text[ends - 1] == ord("\r")))
    wanted = (stops > starts) & (True if stop is None else first.byte + starts < stop)
    if stop is not None and first.byte + len(data) > stop:
        data = data[: ends[np.searchsorted(first.byte + starts, stop) - 1] + 1]
    unit = "byte" if first.line is None else "line"
    return LineBlock(data, starts[wanted], stops[wanted], positions[wanted], unit, regular)


def starts_of(ends: Ints) -> Ints:
    """Return where records start that end at some line feeds, the first at 0."""
    return np.concatenate([np.zeros(min(len(ends), 1), np.int64), ends[:-1] + 1])


def checked(block: LineBlock, max_bytes: int) -> tuple[LineBlock, list[Rejection]]:
    """Reject the lines that are too long or not UTF-8."""
    block, oversize = block.without(block.stops - block.starts > max_bytes, "oversize_record", _too_long(max_bytes))
    block, not_text = block.without(_not_text(block), "invalid_utf8", "the line is not UTF-8")
    return block, oversize + not_text


def _not_text(block: LineBlock) -> Bools:
    """Return which lines are not UTF-8."""
    bad = np.zeros(len(block), np.bool_)
    view, at = memoryview(block.data), 0
    while at < len(view) and not block.data.isascii():
        try:
            codecs.decode(view[at:], "utf-8")
            break
        except UnicodeDecodeError as error:
            row = int(np.searchsorted(block.starts, at + error.start, side="right")) - 1
            bad[row] = True
            at = int(block.stops[row]) + 1
    return bad


def _too_long(max_bytes: int) -> str:
    return f"the record is longer than {max_bytes} bytes"
