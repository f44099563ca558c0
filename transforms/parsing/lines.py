"""Lines of text files: a byte range of a file, or a compressed stream, as blocks of whole lines."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import BinaryIO

import numpy as np

from transforms.parsing.raw import Bools, Ints, Rejection

CHUNK = 8 << 20
"""Bytes read at a time: what a reader holds, give or take a record."""


@dataclass(frozen=True)
class LineBlock:
    """Whole lines that lie side by side.

    Attributes:
        data: The lines with their line feeds.
        starts: Offset in `data` of each line that is not empty.
        stops: Offset behind its last byte, line feed and carriage return excluded.
        positions: Its number in the file where that is known, counted from 1, else its byte offset.
        unit: `line` or `byte`.
    """

    data: bytes
    starts: Ints
    stops: Ints
    positions: Ints
    unit: str

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.starts)

    def lines(self) -> list[bytes]:
        """Return the lines without their ends."""
        return [self.data[a:b] for a, b in zip(self.starts.tolist(), self.stops.tolist(), strict=True)]

    def reject(self, row: int, reason: str, message: str) -> Rejection:
        """Return the rejection of one line."""
        payload = self.data[self.starts[row] : self.stops[row]]
        return Rejection.of(f"{self.unit} {self.positions[row]}", reason, message, payload)

    def halves(self) -> tuple["LineBlock", "LineBlock"]:
        """Return the first and the second half of the lines."""
        middle = len(self) // 2
        cut = int(self.starts[middle])
        first, second = slice(None, middle), slice(middle, None)
        return (
            LineBlock(self.data[:cut], self.starts[first], self.stops[first], self.positions[first], self.unit),
            LineBlock(
                self.data[cut:], self.starts[second] - cut, self.stops[second] - cut, self.positions[second], self.unit
            ),
        )

    def without(self, bad: Bools, reason: str, message: str) -> tuple["LineBlock", list[Rejection]]:
        """Return the block without its bad lines, and their rejections."""
        if not bad.any():
            return self, []
        rejections = [self.reject(row, reason, message) for row in np.flatnonzero(bad).tolist()]
        good = LineBlock(self.data, self.starts[~bad], self.stops[~bad], self.positions[~bad], self.unit)
        data = b"".join(line + b"\n" for line in good.lines())
        ends = np.cumsum(good.stops - good.starts + 1)
        return LineBlock(data, ends - 1 - (good.stops - good.starts), ends - 1, good.positions, self.unit), rejections


@dataclass
class _Place:
    """Where the next line starts: its byte and, if the range starts with the file, its number."""

    byte: int
    line: int | None

    def __str__(self) -> str:
        return f"byte {self.byte}" if self.line is None else f"line {self.line}"


def read_lines(
    stream: BinaryIO, start: int, stop: int | None, max_bytes: int, chunk_bytes: int = CHUNK
) -> Iterator[tuple[LineBlock, list[Rejection]]]:
    """Read the lines that start in a byte range.

    A line belongs to the range in which its first byte lies, so ranges that cover a file give each line once.

    Args:
        stream: At byte 0; seekable if `start` is not 0.
        start: First byte of the range.
        stop: First byte after it; None: the end of the stream.
        max_bytes: Longer lines are rejected without being held.
        chunk_bytes: Bytes to read at a time.

    Yields:
        Blocks of lines that are UTF-8 and not empty, and what was rejected beside them: `oversize_record`,
        `invalid_utf8`, and `torn_stream` where a compressed stream breaks off.
    """
    place, rest = _Place(start, None if start else 1), b""
    if start:
        stream.seek(start - 1)
        _, skipped, rest = _line_end(stream, stream.read(chunk_bytes), chunk_bytes)
        place.byte += skipped
    while stop is None or place.byte < stop:
        try:
            chunk = stream.read(chunk_bytes)
        except (OSError, EOFError) as error:
            if getattr(error, "errno", None):
                raise  # the disk or the network, not the content
            message = f"the compressed stream breaks off or is damaged: {error}"
            yield _block(b"", place, stop), [Rejection.of(str(place), "torn_stream", message, rest, records=None)]
            return
        data = rest + chunk
        cut = data.rfind(b"\n") + 1 if chunk else len(data)
        rest = data[cut:]
        if cut:
            yield _checked(_block(data[:cut], place, stop), max_bytes)
        elif len(rest) > max_bytes:
            digest, length, rest = _line_end(stream, rest, chunk_bytes)
            rejection = Rejection(str(place), "oversize_record", _too_long(max_bytes), digest, length)
            _advance(place, length + 1, 1)
            yield _block(b"", place, stop), [rejection]
        if not chunk:
            return


def _line_end(stream: BinaryIO, data: bytes, chunk_bytes: int) -> tuple[str, int, bytes]:
    """Read to the end of a line that is not wanted; return its hash, its length and what follows."""
    line, length = blake2b(digest_size=16), 0
    while data:
        part, feed, rest = data.partition(b"\n")
        line.update(part)
        length += len(part)
        if feed:
            return line.hexdigest(), length, rest
        data = stream.read(chunk_bytes)
    return line.hexdigest(), length, b""


def _advance(place: _Place, size: int, lines: int) -> None:
    place.byte += size
    place.line = None if place.line is None else place.line + lines


def _block(data: bytes, place: _Place, stop: int | None) -> LineBlock:
    """Return the lines of `data` that start before `stop`, and move the place behind `data`."""
    first = _Place(place.byte, place.line)
    text = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    if data and text[-1] != ord("\n"):
        ends = np.append(ends, len(data))
        data += b"\n"
    _advance(place, len(data), len(ends))
    starts = np.concatenate([np.zeros(min(len(ends), 1), np.int64), ends[:-1] + 1])
    positions = first.byte + starts if first.line is None else first.line + np.arange(len(ends))
    marked = first.line == 1 and data.startswith(codecs.BOM_UTF8)
    starts[:1] += len(codecs.BOM_UTF8) * marked
    stops = ends - ((ends > starts) & (text[ends - 1] == ord("\r")))
    wanted = (stops > starts) & (True if stop is None else first.byte + starts < stop)
    if data and stop is not None and first.byte + len(data) > stop:
        data = data[: ends[np.searchsorted(first.byte + starts, stop) - 1] + 1]
    unit = "byte" if first.line is None else "line"
    return LineBlock(data, starts[wanted], stops[wanted], positions[wanted], unit)


def _checked(block: LineBlock, max_bytes: int) -> tuple[LineBlock, list[Rejection]]:
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
