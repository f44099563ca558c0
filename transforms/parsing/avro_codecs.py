"""Compressions of Avro blocks, each with a limit on what it unpacks."""

import bz2
import lzma
import zlib
from collections.abc import Callable

import pyarrow as pa

MAX_BLOCK = 16 << 20
"""Bytes of a block, packed or unpacked."""


_XZ_MEMORY = 128 << 20


class Torn(ValueError):
    """A block that is not what it claims."""

    reason = "torn_block"


class Exploding(Torn):
    """A block that would take too much memory."""

    reason = "exploding_block"


def _sized(data: bytes) -> bytes:
    if len(data) > MAX_BLOCK:
        raise Exploding(f"the block unpacks to more than {MAX_BLOCK} bytes")
    return data


def _deflate(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(-15)
    data = _sized(unpacker.decompress(packed, MAX_BLOCK + 1))
    checksum = zlib.adler32(data).to_bytes(4, "big")  # some writers leave a part of it
    if not unpacker.eof or not checksum.startswith(unpacker.unused_data):
        raise Torn("the block's compressed data is cut off or followed by more")
    return data


def _bzip2(packed: bytes) -> bytes:
    unpacker = bz2.BZ2Decompressor()
    data = _sized(unpacker.decompress(packed, MAX_BLOCK + 1))
    if not unpacker.eof or unpacker.unused_data:
        raise Torn("the block's compressed data is cut off or followed by more")
    return data


def _xz(packed: bytes) -> bytes:
    unpacker = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    data = _sized(unpacker.decompress(packed, MAX_BLOCK + 1))
    if not unpacker.eof or unpacker.unused_data:
        raise Torn("the block's compressed data is cut off or followed by more")
    return data


def _zstandard(packed: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as unpacker:
        return _sized(unpacker.read(MAX_BLOCK + 1))


def _snappy(packed: bytes) -> bytes:
    body, check = packed[:-4], packed[-4:]
    size, shift = 0, 0
    for byte in body[:5]:  # snappy states the unpacked size first, base 128
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size > MAX_BLOCK:
        raise Exploding(f"the block unpacks to more than {MAX_BLOCK} bytes")
    data: bytes = pa.Codec("snappy").decompress(body, decompressed_size=size, asbytes=True)
    if zlib.crc32(data).to_bytes(4, "big") != check:
        raise Torn("the block's checksum is wrong")
    return data


UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "null": _sized,
    "deflate": _deflate,
    "bzip2": _bzip2,
    "snappy": _snappy,
    "xz": _xz,
    "zstandard": _zstandard,
}
"""Codec to what unpacks a block, or raises `Torn`, or what its library raises for damaged data."""
