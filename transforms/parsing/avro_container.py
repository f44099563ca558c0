"""The frame of Avro container files: header, blocks and sync markers, without trust in any of them."""

import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, BinaryIO

import msgspec

from transforms.parsing.avro_codecs import MAX_BLOCK, UNPACK, Torn
from transforms.parsing.raw import Rejection, Unreadable, believed

UNIT = "block at byte"
"""What positions in an Avro file count."""

_MAX_HEADER = 1 << 20
_MAGIC = b"Obj\x01"
_MARKER = 16
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Header:
    """What an Avro file says of itself.

    Attributes:
        schema: Parsed JSON.
        codec: Name of the compression.
        marker: The 16 bytes after every block.
        size: Bytes up to the first block.
    """

    schema: Any
    codec: str
    marker: bytes
    size: int


@dataclass(frozen=True)
class Block:
    """A block, packed or unpacked.

    Attributes:
        offset: Of its first byte in the file.
        count: The number of records that it claims.
        data: The records.
    """

    offset: int
    count: int
    data: bytes

    def rejected(self, reason: str, message: str) -> Rejection:
        """Return the rejection of all its records."""
        return Rejection.of(f"{UNIT} {self.offset}", reason, message, self.data, records=believed(self.count))


def read_header(stream: BinaryIO) -> Header:
    """Read the header of a file.

    Raises:
        Unreadable: not an Avro file, or a header that is cut, too long or of an unknown codec.
    """
    data = stream.read(_MAX_HEADER)
    try:
        if not data.startswith(_MAGIC):
            raise Torn("it does not start as an Avro file does")
        values, at = _metadata(data, len(_MAGIC))
        marker = data[at : at + _MARKER]
        if len(marker) < _MARKER:
            raise Torn("the header is cut off")
        schema = msgspec.json.decode(values[b"avro.schema"])
        codec = values.get(b"avro.codec", b"null").decode()
        if codec not in UNPACK:
            raise Torn(f"the codec `{codec}` is not one of {', '.join(UNPACK)}")
    except (Torn, KeyError, ValueError, RecursionError) as error:
        raise Unreadable(f"the header cannot be read: {error}") from error
    return Header(schema, codec, marker, at + _MARKER)


def read_blocks(stream: BinaryIO, header: Header, start: int, stop: int) -> Iterator[Block | Rejection]:
    """Read the blocks that start in a byte range; after a torn one, go on behind the next marker.

    Args:
        stream: Seekable.
        header: Of the file.
        start: First byte of the range; 0 for the first, which begins behind the header.
        stop: First byte after it.

    Yields:
        Blocks, and `torn_block` or `exploding_block` for what is none.
    """
    at: int | None = header.size
    if start > header.size:
        at, _, _ = _behind_marker(stream, header.marker, start - _MARKER)
    while at is not None and at < stop:
        try:
            packed, after = _read_packed(stream, header, at)
        except EOFError:
            return
        except Torn as error:
            behind, digest, length = _behind_marker(stream, header.marker, at)
            yield Rejection(f"{UNIT} {at}", error.reason, str(error), digest, length, records=None)
            at = behind
        else:
            yield _unpacked(packed, header)
            at = after


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the zigzag number at an offset, and the offset behind it.

    Raises:
        Torn: it is cut off or longer than 64 bits.
    """
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return (value >> 1) ^ -(value & 1), at + i + 1
    raise Torn("a length is cut off or too long")


def long(value: int) -> bytes:
    """Return a number from 0 in Avro's variable length."""
    encoded, rest = bytearray(), value << 1
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])


def _metadata(data: bytes, at: int) -> tuple[dict[bytes, bytes], int]:
    """Return the map of the header, and the offset behind it."""
    values: dict[bytes, bytes] = {}
    while True:
        count, at = varint(data, at)
        if count < 0:
            _, at = varint(data, at)
        if count == 0:
            return values, at
        for _ in range(min(abs(count), len(data))):
            key, at = _bytes(data, at)
            values[key], at = _bytes(data, at)


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = varint(data, at)
    if not 0 <= size <= len(data) - at:
        raise Torn("the header is cut off or too long")
    return data[at : at + size], at + size


def _read_packed(stream: BinaryIO, header: Header, at: int) -> tuple[Block, int]:
    """Return the block at an offset, still packed, and the offset behind it; EOFError where the file ends there."""
    stream.seek(at)
    head = stream.read(20)
    if not head:
        raise EOFError
    count, behind = varint(head, 0)
    size, behind = varint(head, behind)
    if count < 0 or not 0 <= size <= MAX_BLOCK:
        raise Torn(f"the block claims {count} records in {size} bytes")
    stream.seek(at + behind)
    packed = stream.read(size + _MARKER)
    if len(packed) < size + _MARKER or not packed.endswith(header.marker):
        raise Torn("the block is cut off, or does not end in the file's marker")
    if packed.find(header.marker) < size:
        raise Torn("the file's marker is inside the block")
    return Block(at, count, packed[:size]), at + behind + size + _MARKER


def _unpacked(packed: Block, header: Header) -> Block | Rejection:
    """Return a block with its records, or its rejection: its frame is sound, so what it counts is known."""
    try:
        return replace(packed, data=UNPACK[header.codec](packed.data))
    except Torn as error:
        reason, message = error.reason, str(error)
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason, message = Torn.reason, f"the block cannot be unpacked: {error}"
    return packed.rejected(reason, message)


def _behind_marker(stream: BinaryIO, marker: bytes, at: int) -> tuple[int | None, str, int]:
    """Find the next marker at or after an offset.

    Returns:
        The offset behind it, None if there is no more; hash and length of what lies before it.
    """
    skipped, length, rest = blake2b(digest_size=16), 0, b""
    stream.seek(at)
    while chunk := stream.read(_CHUNK):
        data = rest + chunk
        found = data.find(marker)
        cut = found if found >= 0 else max(len(data) - _MARKER + 1, 0)
        skipped.update(data[:cut])
        length += cut
        if found >= 0:
            return at + length + _MARKER, skipped.hexdigest(), length
        rest = data[cut:]
    skipped.update(rest)
    return None, skipped.hexdigest(), length + len(rest)
