"""Compressed streams that give all that unpacks before a cut or damage, and only then tell of it."""

import io
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, cast

import pyarrow as pa

PACKED = 1 << 15
"""Bytes to unpack, or of zstd to read, at a time: they may unpack to a thousand times as many."""

_GZIP = 31
_PADDING = b"\0"


class BrokenStreamError(Exception):
    """A compressed stream that breaks off or is damaged; what came before was given."""


class Unpacked(io.RawIOBase):
    """A stream of the pieces that an iterator gives; its `BrokenStreamError` comes after all of them."""

    def __init__(self, stream: BinaryIO, pieces: Iterator[bytes]) -> None:
        """Take the packed stream, which is closed with this one, and what unpacks it."""
        self._stream, self._pieces = stream, pieces
        self._rest = b""
        self._broken: BrokenStreamError | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close both."""
        self._stream.close()
        super().close()

    def read(self, size: int = -1, /) -> bytes:
        """Return so many bytes, fewer only at the end.

        Raises:
            BrokenStreamError: there is no more because the stream is broken.
        """
        parts, missing = [self._rest], size - len(self._rest)
        while (missing > 0 or size < 0) and (piece := self._next()):
            parts.append(piece)
            missing -= len(piece)
        data = b"".join(parts)
        given, self._rest = (data, b"") if size < 0 else (data[:size], data[size:])
        if self._broken and size and not given:
            raise self._broken
        return given

    def _next(self) -> bytes:
        try:
            return b"" if self._broken else next(filter(None, self._pieces), b"")
        except BrokenStreamError as error:
            self._broken = error
            return b""


def unpacked(stream: BinaryIO, compression: str) -> BinaryIO:
    """Return a stream unpacked: `gzip`, of any number of members and with zeros behind them, or `zstd`."""
    pieces = _gunzip(stream) if compression == "gzip" else _read_on(stream, compression)
    return cast(BinaryIO, Unpacked(stream, pieces))


def _gunzip(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what the members unpack to."""
    packed = stream.read(PACKED)
    while packed:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            packed = packed or stream.read(PACKED)
            if not packed:
                raise BrokenStreamError("it ends in the middle")
            yield from _inflated(member, packed)
            packed = member.unused_data
        packed = packed.lstrip(_PADDING)
        while not packed and (more := stream.read(PACKED)):
            packed = more.lstrip(_PADDING)


def _inflated(member: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """Yield what some bytes unpack to, of damaged ones what comes before the damage."""
    before = member.copy()
    try:
        yield member.decompress(packed)
    except zlib.error as error:
        with suppress(zlib.error):
            for place in range(len(packed)):
                yield before.decompress(packed[place : place + 1])
        raise BrokenStreamError(f"it is damaged, or no gzip: {error}") from error


def _read_on(stream: BinaryIO, compression: str) -> Iterator[bytes]:
    """Yield what pyarrow unpacks, in small pieces: of a piece that fails nothing is left."""
    with pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), compression) as opened:
        try:
            while piece := opened.read(PACKED):
                yield piece
        except (OSError, EOFError) as error:
            if getattr(error, "errno", None):
                raise  # the disk or the network, not the content
            raise BrokenStreamError(str(error)) from error
