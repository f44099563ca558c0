"""The fields of Avro records: which are flat, and how the others are walked over."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from transforms.parsing.avro_walk import Skip, Types
from transforms.parsing.raw import Unreadable

_MAX_FIELDS = 1_000
_MAX_DIGITS = 76
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
_LOGICAL = {
    ("long", "timestamp-nanos"): pa.timestamp("ns", "UTC"),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
}


RECORD = "record"
"""The one member of the struct that a record within a record is."""


@dataclass(frozen=True)
class AvroField:
    """One field of a record.

    Attributes:
        name: As in the file.
        type: Avro's name of the type that it is decoded as; an opaque one is bytes.
        arrow: The type of its column.
        skip: Walks over its value.
        logical: `date`, `timestamp-micros` or empty: what it is decoded as.
        null: Which branch of its union is null; None if there is none.
        symbols: Of an enum, which is decoded as a number.
        opaque: Whether it is no flat value: its bytes are taken as they are.
    """

    name: str
    type: str
    arrow: pa.DataType
    skip: Skip
    logical: str = ""
    null: int | None = None
    symbols: tuple[str, ...] | None = None
    opaque: bool = False

    @property
    def least(self) -> int:
        """The fewest bytes that a value takes, of a field that is flat."""
        return 1 if self.null is not None else _LEAST_BYTES[self.type]

    def declared(self) -> dict[str, Any]:
        """Return its entry in the schema to decode with."""
        inner: Any = {"type": self.type, "logicalType": self.logical} if self.logical else self.type
        if self.opaque:
            return {"name": self.name, "type": ["null", inner]}
        union = {0: ["null", inner], 1: [inner, "null"]}
        return {"name": self.name, "type": inner if self.null is None else union[self.null]}

    def encoded(self, value: bytes) -> bytes:
        """Return a record's bytes of this field, which is flat: the value if it is a text, else zeros or null."""
        branch = b"" if self.null is None else bytes([2 * (1 - self.null)])
        return branch + (bytes([2 * len(value)]) + value if self.type == "bytes" else bytes(_LEAST_BYTES[self.type]))


def schema_fields(schema: Any) -> tuple[AvroField, ...]:
    """Return the fields of a file's schema.

    Raises:
        Unreadable: it is not of records, or has too many fields, or types that do not exist.
    """
    if not isinstance(schema, dict) or schema.get("type") != "record" or not isinstance(schema.get("fields"), list):
        raise Unreadable("the schema is not a record")
    entries, types = schema["fields"][:_MAX_FIELDS], Types()
    try:
        types.skip(schema)
        space = types.full_name(schema, "").rpartition(".")[0]
        fields = tuple(_field(entry, types, space) for entry in entries)
    except RecursionError as error:
        raise Unreadable("the schema is nested too deeply") from error
    if len({field.name for field in fields}) < len(schema["fields"]):
        raise Unreadable(f"the schema has more than {_MAX_FIELDS} fields, or two of one name")
    return fields


def _field(entry: Any, types: Types, space: str) -> AvroField:
    """Return one field of a record."""
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise Unreadable("the schema has a field without a name")
    declared = entry.get("type")
    skip = types.skip(declared, space)
    null = declared.index("null") if isinstance(declared, list) and "null" in declared else None
    if null is not None and len(declared) == 2:
        declared = declared[1 - null]
    kind = types.meaning(declared, space)
    primitive = kind.get("type")
    if primitive == "enum" and isinstance(kind.get("symbols"), list):
        return AvroField(name, "long", pa.string(), skip, null=null, symbols=tuple(map(str, kind["symbols"])))
    if isinstance(primitive, str) and primitive in (*_LEAST_BYTES, "string"):
        return _flat(name, primitive, kind, skip, null)
    return AvroField(name, "bytes", _opaque(kind), skip, null=null, opaque=True)


def _flat(name: str, primitive: str, kind: Mapping[str, Any], skip: Skip, null: int | None) -> AvroField:
    logical = str(kind.get("logicalType", "")).removeprefix("local-")
    if _KEPT.get(logical, ("",))[0] == primitive:
        return AvroField(name, primitive, _ARROW[logical], skip, logical, null)
    decoded = _AS.get(primitive, primitive)
    arrow = _decimal(kind) if (primitive, logical) == ("bytes", "decimal") else _LOGICAL.get((primitive, logical))
    return AvroField(name, decoded, arrow or _ARROW[decoded], skip, null=null)


def _opaque(kind: Mapping[str, Any]) -> pa.DataType:
    """Return the type of a field that is not flat; what no field of a contract can be is a struct."""
    primitive, logical, size = kind.get("type"), kind.get("logicalType"), kind.get("size")
    if primitive == "fixed" and logical == "decimal":
        return _decimal(kind) or pa.string()
    if primitive == "fixed" and (logical, size) == ("uuid", 16):
        return pa.uuid()
    if primitive == "fixed" and logical != "duration":
        return pa.string()
    return pa.struct([(primitive if isinstance(primitive, str) else "union", pa.binary())])


def _decimal(kind: Mapping[str, Any]) -> pa.DataType | None:
    """Return the type of a decimal, or None if it is none: then it is bytes, as Avro says."""
    digits, scale = kind.get("precision"), kind.get("scale", 0)
    if isinstance(digits, int) and isinstance(scale, int) and 0 <= scale <= digits and 0 < digits <= _MAX_DIGITS:
        return pa.decimal256(digits, scale) if digits > 38 else pa.decimal128(digits, scale)
    return None
