"""Avro containers written in columns: all rows of a block are encoded at once."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.arrow_columns import Ints

_BLOCK = 8_192  # rows
_HEADER = fastavro.parse_schema(
    {
        "type": "record",
        "name": "header",
        "fields": [
            {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": 4}},
            {"name": "meta", "type": {"type": "map", "values": "bytes"}},
            {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": 16}},
        ],
    }
)
"""What a container begins with; written here, since fastavro orders the keys of a schema as it likes."""

_SHIFTS = np.arange(0, 64, 7, dtype=np.uint64)
_PLACES = np.arange(len(_SHIFTS))


def write_avro(table: pa.Table, sink: BinaryIO, schema: Mapping[str, Any]) -> None:
    """Write an Avro container, deflate; equal tables give equal bytes.

    Args:
        table: Strings, whole numbers, instants and structs of them, named and ordered as in the schema; nulls where
            that is a union with null.
        sink: Where to.
        schema: The Avro record.
    """
    marker = hashlib.blake2b(json.dumps(schema, sort_keys=True).encode(), digest_size=16).digest()
    about = {"avro.codec": b"deflate", "avro.schema": json.dumps(schema).encode()}
    fastavro.schemaless_writer(sink, _HEADER, {"magic": b"Obj\x01", "meta": about, "sync": marker})
    for batch in table.to_batches(max_chunksize=_BLOCK):
        rows = pc.binary_join_element_wise(*_encoded(batch.to_struct_array(), schema), b"")
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        packed = packer.compress(b"".join(rows.to_pylist())) + packer.flush()
        sink.write(b"".join(_varints(np.array([len(rows), len(packed)])).to_pylist()) + packed + marker)


def _encoded(array: pa.Array, avro: Any) -> list[pa.Array]:
    """Return the parts of each row's bytes."""
    if isinstance(avro, list):  # null, or something
        there = array.is_valid()
        parts = _encoded(_filled(array, avro[1]), avro[1])
        which = _varints(there.to_numpy(zero_copy_only=False).astype(np.int64))
        return [which, *(pc.if_else(there, part, b"") for part in parts)]
    if pa.types.is_struct(array.type):
        types = (field["type"] for field in avro["fields"])
        return [part for child, type_ in zip(array.flatten(), types, strict=True) for part in _encoded(child, type_)]
    if pa.types.is_string(array.type):
        text = array.cast(pa.binary())
        return [_varints(pc.binary_length(text).to_numpy().astype(np.int64)), text]
    return [_varints(array.cast(pa.int64()).to_numpy())]


def _filled(array: pa.Array, avro: Any) -> pa.Array:
    """Return an array with something in the place of nulls that the type does not know."""
    if isinstance(avro, list):
        return array
    if pa.types.is_struct(array.type):
        children = zip(array.flatten(), avro["fields"], strict=True)
        filled = [_filled(one, field["type"]) for one, field in children]
        return pa.StructArray.from_arrays(filled, fields=list(array.type))
    return array.fill_null(pa.scalar("" if pa.types.is_string(array.type) else 0, array.type))


def _varints(values: Ints) -> pa.Array:
    """Return each number as Avro has it: zigzag, seven bits a byte, the lowest first, the top bit says more follow."""
    groups = ((values << 1) ^ (values >> 63)).view(np.uint64)[:, None] >> _SHIFTS
    sizes = np.maximum((groups != 0).sum(axis=1), 1)[:, None]
    coded = (groups & np.uint64(0x7F)).astype(np.uint8) | ((sizes - 1 > _PLACES) << 7).astype(np.uint8)
    offsets = np.append(0, np.cumsum(sizes)).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(coded[sizes > _PLACES])]
    return pa.Array.from_buffers(pa.binary(), len(values), buffers)
