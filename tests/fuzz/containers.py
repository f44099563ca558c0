"""Avro files of random schemas, sound and damaged."""

import io
import json
import lzma
from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import fastavro

from tests.fuzz.case import Case, config, damaged, rows
from tests.transforms.parsing.avro_files import block, header, packed

_PLAIN = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_LOGICAL = (
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "int", "logicalType": "date"},
    {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2},
    {"type": "long", "logicalType": "nothing"},
)
_ODD = ("\ud800", "a\x00", "é.\n", -1, 10**30, 1e400, ["A", "A"], ["A", "\ud800"], [["A"], 5])
_UNIONS = (["null", "long"], ["double", "null"], ["null", "long", "string"], ["string"])
_VALUES: dict[str, tuple[Any, ...]] = {
    "null": (None,),
    "boolean": (True, False),
    "int": (0, -(2**31), 2**31 - 1),
    "long": (0, -(2**63), 2**63 - 1, 300),
    "float": (0.5,),
    "double": (float("nan"), 1e300),
    "bytes": (b"", b"\xff", b"x" * 300),
    "string": ("", "é", "x" * 70),
    "enum": ("A", "B"),
}


def avro(rng: Random) -> Case:
    """Return a file of sound blocks, then perhaps damage: the blocks before it must be read."""
    chosen = config(rng)
    schema = _schema(rng, chosen)
    codec = rng.choice(("null", "deflate", "snappy", "zstandard", "bzip2", "xz"))
    data, ends, number = header(schema, codec), [], 0
    head = len(data)
    for _ in range(rng.randrange(4)):
        made = rows(rng, rng.randrange(5), chosen, number)
        data += block(len(made), _packed(codec, _records(rng, schema, made)))
        ends.append((len(data), {row["id"] for row in made}))
        number += len(made)
    bad, at = damaged(rng, data[head:]) if rng.random() < 0.5 else (data[head:], len(data))
    sure = [ids for end, ids in ends if end <= head + at]
    return Case("a.avro", data[:head] + bad, chosen, frozenset().union(*sure))


def broken_avro(rng: Random) -> Case:
    """Return a file with damage anywhere, in its schema too, which may be any JSON."""
    if rng.random() < 0.5:
        return Case("a.avro", damaged(rng, avro(rng).data)[0], config(rng))
    return Case("a.avro", header(_junk(rng, 4)) + block(rng.randrange(5), rng.randbytes(20)), config(rng))


def _junk(rng: Random, depth: int) -> Any:
    """Return something like a schema."""
    if not depth or rng.random() < 0.2:
        return rng.choice((*_PLAIN, "raw", "", 5, None, [], {}, True, "enum", "record", "fixed", *_ODD))
    if rng.random() < 0.3:
        return [_junk(rng, depth - 1) for _ in range(rng.randrange(4))]
    keys = (
        "type",
        "name",
        "fields",
        "items",
        "values",
        "size",
        "symbols",
        "logicalType",
        "precision",
        "scale",
        "namespace",
    )
    made = {key: _junk(rng, depth - 1) for key in keys if rng.random() < 0.4}
    if rng.random() < 0.7:
        made |= {
            "type": rng.choice(("record", "array", "map", "fixed", "enum")),
            "name": rng.choice(("raw", "a.b", "c")),
        }
    if rng.random() < 0.5:
        made["fields"] = [{"name": name, "type": _junk(rng, depth - 1)} for name in ("id", "time", "subject")]
    return made


def sound_schema(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of the records of `rows`."""
    kinds = {str: "string", int: "long", float: "double"}
    fields = [{"name": name, "type": kinds[type(value)]} for name, value in rows(Random(0), 1, config)[0].items()]
    return {"type": "record", "name": "raw", "fields": fields}


def _schema(rng: Random, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of sound records with more fields, in any order."""
    schema = sound_schema(config)
    fields = schema["fields"]
    fields += [{"name": f"c{n}", "type": _kind(rng, f"t{n}", 2)} for n in range(rng.randrange(4))]
    rng.shuffle(fields)
    return schema


def _kind(rng: Random, name: str, depth: int) -> Any:
    if depth and rng.random() < 0.4:
        inner = _kind(rng, f"{name}a", depth - 1)
        record = {"type": "record", "name": name, "fields": [{"name": "a", "type": inner}]}
        return rng.choice(({"type": "array", "items": inner}, {"type": "map", "values": inner}, record))
    fixed = {"type": "fixed", "name": name, "size": rng.randrange(20)}
    enum = {"type": "enum", "name": name, "symbols": ["A", "B"]}
    return rng.choice((*_PLAIN, *_LOGICAL, *_UNIONS, fixed, enum))


def _records(rng: Random, schema: Any, made: Sequence[Mapping[str, Any]]) -> bytes:
    sink = io.BytesIO()
    parsed = fastavro.parse_schema(json.loads(json.dumps(schema)))
    for row in made:
        others = {field["name"]: _value(rng, field["type"]) for field in schema["fields"] if field["name"] not in row}
        fastavro.schemaless_writer(sink, parsed, {**others, **row})
    return sink.getvalue()


def _value(rng: Random, kind: Any) -> Any:
    """Return a value of a type."""
    if isinstance(kind, list):
        return _value(rng, rng.choice(kind))
    name = kind if isinstance(kind, str) else kind["type"]
    if name == "array":
        return [_value(rng, kind["items"]) for _ in range(rng.randrange(3))]
    if name in ("map", "record"):
        parts = kind.get("fields") or [{"name": f"k{n}", "type": kind["values"]} for n in range(rng.randrange(3))]
        return {part["name"]: _value(rng, part["type"]) for part in parts}
    if isinstance(kind, dict) and kind.get("logicalType") == "decimal":
        return Decimal(rng.randrange(-(10**9), 10**9)).scaleb(-2)
    return rng.randbytes(kind["size"]) if name == "fixed" else rng.choice(_VALUES[name])


def _packed(codec: str, data: bytes) -> bytes:
    return lzma.compress(data) if codec == "xz" else packed(codec, data)
