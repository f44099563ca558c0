"""Avro files for tests, sound and hostile."""

import bz2
import io
import json
import zlib
from collections.abc import Sequence
from typing import Any

import fastavro
import pyarrow as pa

MARKER = b"0123456789abcdef"
SCHEMA = {
    "type": "record",
    "name": "raw",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "n", "type": ["null", "long"]},
        {"name": "d", "type": ["double", "null"]},
        {"name": "b", "type": "boolean"},
        {"name": "e", "type": ["null", {"type": "enum", "name": "colour", "symbols": ["red", "green"]}]},
        {"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "i", "type": "int"},
        {"name": "f", "type": "float"},
        {"name": "y", "type": ["null", "bytes"]},
    ],
}


def row(i: int) -> dict[str, Any]:
    """Return a record of `SCHEMA`."""
    colour = (None, "red", "green")[i % 3]
    return {
        "id": f"e{i}",
        "n": i if i % 2 else None,
        "d": None if i % 3 else i / 4,
        "b": i % 2 == 0,
        "e": colour,
        "t": i * 1000,
        "i": -i,
        "f": 0.5,
        "y": b"y",
    }


def long(value: int) -> bytes:
    """Return a number in Avro's encoding, even one beyond 64 bits."""
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])


def records(rows: Sequence[dict[str, Any]], schema: Any = None) -> bytes:
    """Return records without a frame."""
    sink = io.BytesIO()
    parsed = fastavro.parse_schema(schema or SCHEMA)
    for record in rows:
        fastavro.schemaless_writer(sink, parsed, record)
    return sink.getvalue()


def header(schema: Any = None, codec: str = "null") -> bytes:
    """Return a file's header."""
    entries = {"avro.schema": json.dumps(SCHEMA if schema is None else schema).encode(), "avro.codec": codec.encode()}
    body = b"".join(long(len(key)) + key.encode() + long(len(value)) + value for key, value in entries.items())
    return b"Obj\x01" + long(len(entries)) + body + long(0) + MARKER


def block(count: int, data: bytes, *, size: int | None = None, marker: bytes = MARKER) -> bytes:
    """Return a block that claims what it is told to."""
    return long(count) + long(len(data) if size is None else size) + data + marker


def packed(codec: str, data: bytes) -> bytes:
    """Return data as a codec stores it."""
    if codec == "snappy":
        return bytes(pa.Codec("snappy").compress(data, asbytes=True)) + zlib.crc32(data).to_bytes(4, "big")
    if codec == "zstandard":
        return bytes(pa.Codec("zstd").compress(data, asbytes=True))
    if codec == "deflate":
        return zlib.compress(data)[2:-4]
    return bz2.compress(data) if codec == "bzip2" else data
