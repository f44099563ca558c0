"""Avro container files to raw blocks: decoded whole by polars, once their frame is sound and their schema flat."""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
from polars.exceptions import PanicException, PolarsError

from transforms.parsing.avro_container import UNIT, Block, Header, read_blocks, read_header
from transforms.parsing.raw import Parsed, Rejection, Unreadable, raw_block

GROUP_BYTES = 8 << 20
"""Unpacked bytes that are decoded together."""

_MAX_FIELDS = 1_000
_LEAST_BYTES = {"boolean": 1, "long": 1, "int": 1, "float": 4, "double": 8, "bytes": 1}
_AS = {"string": "bytes", "int": "long"}  # UTF-8 is checked row by row, and no int may overflow
_KEPT = {"date": ("int", "date"), "timestamp-micros": ("long", "timestamp-micros")}
_ARROW = {
    "boolean": pa.bool_(),
    "long": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "bytes": pa.string(),
    "date": pa.date32(),
    "timestamp-micros": pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class AvroField:
    """One field of a flat schema.

    Attributes:
        name: As in the file.
        type: Avro's name of the type that it is decoded as.
        logical: `date`, `timestamp-micros` or empty.
        null: Which branch of its union is null; None if it is no union.
        symbols: Of an enum, which is decoded as a number.
    """

    name: str
    type: str
    logical: str = ""
    null: int | None = None
    symbols: tuple[str, ...] | None = None

    @property
    def arrow(self) -> pa.DataType:
        """Return the Arrow type of its column."""
        return pa.string() if self.symbols is not None else _ARROW[self.logical or self.type]

    def declared(self) -> dict[str, Any]:
        """Return its entry in the schema to decode with."""
        inner: Any = {"type": self.type, "logicalType": self.logical} if self.logical else self.type
        union = {0: ["null", inner], 1: [inner, "null"]}
        return {"name": self.name, "type": inner if self.null is None else union[self.null]}

    def encoded(self, value: bytes) -> bytes:
        """Return a record's bytes of this field: the value if it is a text, else zeros or null."""
        branch = b"" if self.null is None else bytes([2 * (1 - self.null)])
        return branch + (bytes([2 * len(value)]) + value if self.type == "bytes" else bytes(_LEAST_BYTES[self.type]))


def avro_fields(stream: BinaryIO) -> tuple[Header, tuple[AvroField, ...]]:
    """Return the header and the fields of a file.

    Raises:
        Unreadable: not an Avro file, or its records are not flat.
    """
    header = read_header(stream)
    schema = header.schema
    if not isinstance(schema, dict) or schema.get("type") != "record" or not isinstance(schema.get("fields"), list):
        raise Unreadable("the schema is not a record")
    fields = tuple(map(_field, schema["fields"][:_MAX_FIELDS]))
    if len({field.name for field in fields}) < len(schema["fields"]):
        raise Unreadable(f"the schema has more than {_MAX_FIELDS} fields, or two of one name")
    if not any(field.type == "bytes" for field in fields):
        raise Unreadable("the schema has no text field")
    return header, fields


def read_avro(stream: BinaryIO, start: int, stop: int, wanted: Sequence[str]) -> Iterator[Parsed]:
    """Read the blocks that start in a byte range.

    Args:
        stream: The file at its start, seekable.
        start: First byte.
        stop: First byte after the range.
        wanted: Columns to return; one that the file lacks is left out.

    Yields:
        Raw blocks; positions are the offsets of the rows' blocks. A block whose frame, count or content is not
        sound is one rejection, `torn_block` or `exploding_block`: none of its rows can be trusted.

    Raises:
        Unreadable: as `avro_fields`.
    """
    header, fields = avro_fields(stream)
    group: list[Block] = []
    rejected: list[Rejection] = []
    for found in read_blocks(stream, header, start, stop):
        if isinstance(found, Rejection):
            rejected.append(found)
        elif found.count * _least(fields) > len(found.data):
            message = f"the block claims {found.count} records in {len(found.data)} bytes"
            rejected.append(replace(found.rejected("exploding_block", message), records=None))
        else:
            group.append(found)
        if sum(len(block.data) for block in group) + sum(item.length for item in rejected) > GROUP_BYTES:
            yield from _parse(group, fields, wanted, rejected)
            group, rejected = [], []
    yield from _parse(group, fields, wanted, rejected)


def _field(entry: Any) -> AvroField:
    """Return one field of a flat record."""
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise Unreadable("the schema has a field without a name")
    declared = entry.get("type")
    null = None
    if isinstance(declared, list) and len(declared) == 2 and "null" in declared:
        null = declared.index("null")
        declared = declared[1 - null]
    kind = declared if isinstance(declared, dict) else {"type": declared}
    if kind.get("type") == "enum" and isinstance(kind.get("symbols"), list):
        return AvroField(name, "long", null=null, symbols=tuple(map(str, kind["symbols"])))
    primitive = kind.get("type")
    if not isinstance(primitive, str) or primitive not in (*_LEAST_BYTES, "string"):
        raise Unreadable(f"field `{name}` is not of a plain type: signals are flat")
    logical = str(kind.get("logicalType", "")).removeprefix("local-")
    if _KEPT.get(logical, ("",))[0] == primitive:
        return AvroField(name, primitive, logical, null)
    return AvroField(name, _AS.get(primitive, primitive), null=null)


def _least(fields: Sequence[AvroField]) -> int:
    """Return the fewest bytes that a record takes."""
    return sum(1 if field.null is not None else _LEAST_BYTES[field.type] for field in fields)


def _parse(
    group: Sequence[Block], fields: Sequence[AvroField], wanted: Sequence[str], rejected: list[Rejection]
) -> Iterator[Parsed]:
    """Decode blocks together, or one by one if that fails."""
    rows = _decoded(group, fields, wanted) if group else None
    if rows is not None or not group:
        if rejected or group:
            yield Parsed(rows or raw_block([], [], np.empty(0, np.int64), UNIT), rejected)
        return
    if len(group) == 1:
        message = f"the block does not hold {group[0].count} whole records and nothing else"
        yield from _parse([], fields, wanted, [*rejected, group[0].rejected("torn_block", message)])
        return
    middle = len(group) // 2
    yield from _parse(group[:middle], fields, wanted, rejected)
    yield from _parse(group[middle:], fields, wanted, [])


def _decoded(blocks: Sequence[Block], fields: Sequence[AvroField], wanted: Sequence[str]) -> pa.RecordBatch | None:
    """Return the rows of blocks, or None unless each holds exactly the records that it claims.

    Behind each block goes a record that only we can know, a hash of everything: where it comes back at the right
    rows, each block was used up by its own records.
    """
    sign = blake2b(b"".join(block.data for block in blocks), digest_size=16).digest()
    guard = next(field for field in fields if field.type == "bytes")
    last = b"".join(field.encoded(sign if field is guard else b"") for field in fields)
    data = b"".join(block.data + last for block in blocks)
    counts = np.array([block.count + 1 for block in blocks])
    columns = [field for field in fields if field.name in wanted]
    try:
        names = list(dict.fromkeys([guard.name, *(field.name for field in columns)]))
        frame = pl.read_avro(io.BytesIO(_container(fields, int(counts.sum()), data)), columns=names)
    except (PolarsError, PanicException, OSError):
        return None
    guards = np.cumsum(counts) - 1
    if frame.height != counts.sum() or not (frame[guard.name][guards] == pl.Series([sign])).all():
        return None
    keep = np.ones(frame.height, np.bool_)
    keep[guards] = False
    frame = frame.filter(keep)
    offsets = np.repeat([block.offset for block in blocks], counts - 1)
    try:
        arrays = [_column(frame[field.name], field) for field in columns]
    except IndexError:  # an enum has no such symbol
        return None
    return raw_block(arrays, [field.name for field in columns], offsets, UNIT)


def _column(values: pl.Series, field: AvroField) -> pa.Array:
    array = values.to_arrow(compat_level=pl.CompatLevel.oldest())
    if field.symbols is None:
        return array
    return pa.array(field.symbols, pa.string()).take(array)


def _container(fields: Sequence[AvroField], count: int, data: bytes) -> bytes:
    """Return an Avro file of one block, not compressed."""
    schema = {"type": "record", "name": "signal", "fields": [field.declared() for field in fields]}
    text, marker = json.dumps(schema).encode(), bytes(16)
    head = [b"Obj\x01", _long(1), _long(11), b"avro.schema", _long(len(text)), text, _long(0), marker]
    return b"".join([*head, _long(count), _long(len(data)), data, marker])


def _long(value: int) -> bytes:
    """Return a number from 0 in Avro's variable length."""
    encoded, rest = bytearray(), value << 1
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])
