"""The records of Avro blocks: decoded by polars, once it is sure that each block holds what it claims."""

import io
import json
from collections.abc import Sequence
from decimal import Context, Decimal
from hashlib import blake2b

import numpy as np
import polars as pl
import pyarrow as pa
from polars.exceptions import PanicException, PolarsError

from transforms.parsing.avro_codecs import Torn
from transforms.parsing.avro_container import UNIT, Block, long, varint
from transforms.parsing.avro_schema import AvroField
from transforms.parsing.raw import raw_block

_EXACT = Context(prec=100)


def decoded(blocks: Sequence[Block], fields: Sequence[AvroField], wanted: Sequence[str]) -> pa.RecordBatch | None:
    """Return the wanted columns of blocks, or None unless each holds exactly the records that it claims."""
    columns = [field for field in fields if field.name in wanted]
    texts = [field for field in fields if field.type == "bytes"]
    if texts and not any(field.opaque for field in fields):
        frame = _guarded(blocks, fields, columns, texts[0])
    else:
        frame = _walked(blocks, fields, columns)
    if frame is None:
        return None
    try:
        arrays = [_column(frame[field.name], field) for field in columns]
    except (IndexError, ArithmeticError, pa.ArrowException):  # no such symbol, more digits than it says
        return None
    offsets = np.repeat([block.offset for block in blocks], [block.count for block in blocks])
    return raw_block(arrays, [field.name for field in columns], offsets, UNIT)


def _guarded(
    blocks: Sequence[Block], fields: Sequence[AvroField], columns: Sequence[AvroField], guard: AvroField
) -> pl.DataFrame | None:
    """Decode flat records.

    Behind each block goes a record that only we can know, a hash of everything: where it comes back at the right
    rows, each block was used up by its own records.
    """
    sign = blake2b(b"".join(block.data for block in blocks), digest_size=16).digest()
    last = b"".join(field.encoded(sign if field is guard else b"") for field in fields)
    counts = np.array([block.count + 1 for block in blocks])
    data = b"".join(block.data + last for block in blocks)
    names = list(dict.fromkeys([guard.name, *(field.name for field in columns)]))
    frame = _frame(fields, int(counts.sum()), data, names)
    guards = np.cumsum(counts) - 1
    if frame is None or not (frame[guard.name][guards] == pl.Series([sign])).all():
        return None
    keep = np.ones(frame.height, np.bool_)
    keep[guards] = False
    return frame.filter(keep)


def _walked(blocks: Sequence[Block], fields: Sequence[AvroField], columns: Sequence[AvroField]) -> pl.DataFrame | None:
    """Decode records that are not flat, or have no text, one by one down to the wanted fields."""
    out: list[bytes] = []
    try:
        for block in blocks:
            _walk(block, [(field, field in columns) for field in fields], out)
    except (Torn, RecursionError):
        return None
    count = sum(block.count for block in blocks)
    return _frame(columns, count, b"".join(out), [field.name for field in columns]) if columns else pl.DataFrame()


def _walk(block: Block, fields: Sequence[tuple[AvroField, bool]], out: list[bytes]) -> None:
    """Append the wanted fields of a block's records."""
    data, at = block.data, 0
    for _ in range(block.count):
        for field, is_wanted in fields:
            end = field.skip(data, at)
            if is_wanted:
                out.append(_opaque(data, at, end, field.null) if field.opaque else data[at:end])
            at = end
    if at < len(data):
        raise Torn("there is more than its records")


def _opaque(data: bytes, start: int, end: int, null: int | None) -> bytes:
    """Return a value as nullable bytes, without the branch of its union."""
    if null is not None:
        branch, start = varint(data, start)
        if branch == null:
            return b"\x00"
    return b"\x02" + long(end - start) + data[start:end]


def _frame(fields: Sequence[AvroField], count: int, data: bytes, names: list[str]) -> pl.DataFrame | None:
    """Return what polars makes of flat records, None unless it finds as many as there should be."""
    schema = {"type": "record", "name": "signal", "fields": [field.declared() for field in fields]}
    text, marker = json.dumps(schema).encode(), bytes(16)
    head = [b"Obj\x01", long(1), long(11), b"avro.schema", long(len(text)), text, long(0), marker]
    container = b"".join([*head, long(count), long(len(data)), data, marker])
    try:
        frame = pl.read_avro(io.BytesIO(container), columns=names)
    except (PolarsError, PanicException, OSError):
        return None
    return frame if frame.height == count else None


def _column(values: pl.Series, field: AvroField) -> pa.Array:
    array = values.to_arrow(compat_level=pl.CompatLevel.oldest())
    if field.symbols is not None:
        return pa.array(field.symbols, pa.string()).take(array)
    if pa.types.is_decimal(field.arrow):
        return pa.array([_decimal(one, field.arrow.scale) for one in array.to_pylist()], field.arrow)
    if field.arrow == pa.uuid():
        return pa.uuid().wrap_array(array.cast(pa.binary(16)))
    if pa.types.is_struct(field.arrow):
        return pa.StructArray.from_arrays([array.cast(pa.binary())], fields=list(field.arrow), mask=array.is_null())
    if pa.types.is_time32(field.arrow):
        return array.cast(pa.int32(), safe=False).view(field.arrow)  # Arrow casts no int64 to it
    return array if pa.types.is_large_binary(array.type) else array.cast(field.arrow)


def _decimal(value: bytes | None, scale: int) -> Decimal | None:
    return None if value is None else Decimal(int.from_bytes(value, "big", signed=True)).scaleb(-scale, _EXACT)
