"""The table of an output in BigQuery: its columns, and rows as protocol buffers."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

MESSAGE_ID = "message_id"
"""A column beside those of the output: rows of one table with the same id are the same row, appended again."""

_Field = descriptor_pb2.FieldDescriptorProto
_FILE = "segone_row.proto"
_ROW = "Row"


def path_of(project: str, name: str) -> str:
    """Return the path of a table, which an address names as `dataset/table`."""
    dataset, _, table = name.partition("/")
    return f"projects/{project}/datasets/{dataset}/tables/{table}"


def default_stream(table: str) -> str:
    """Return the stream of a table, by its path, to which rows are appended at least once."""
    return f"{table}/streams/_default"


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: As in the output.
        type: Of BigQuery. What has parts, lists and structs, is `JSON`: a playbook may name new ones any day, and a
            table keeps its columns.
        required: Whether each row has it.
    """

    name: str
    type: str
    required: bool

    def field(self) -> dict[str, str]:
        """Return it as a field of a table's schema in JSON, as `bq mk` and Terraform take it."""
        return {"name": self.name, "type": self.type, "mode": "REQUIRED" if self.required else "NULLABLE"}


@dataclass(frozen=True)
class _Kind:
    """A type of columns: what it is in a protocol buffer, and how a value of JSON becomes one of it."""

    number: int
    value: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _micros(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000) * 1_000


_KINDS = {
    "BOOL": _Kind(_Field.TYPE_BOOL, _same),
    "FLOAT64": _Kind(_Field.TYPE_DOUBLE, float),
    "INT64": _Kind(_Field.TYPE_INT64, _same),
    "JSON": _Kind(_Field.TYPE_STRING, lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))),
    "STRING": _Kind(_Field.TYPE_STRING, _same),
    "TIMESTAMP": _Kind(_Field.TYPE_INT64, _micros),
}


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    """Return the columns of an output's table: the id, and those of the output.

    Args:
        schema: Of the output.
    """
    rest = (Column(field.name, _type_of(field.type), not field.nullable) for field in schema)
    return (Column(MESSAGE_ID, "STRING", required=True), *rest)


def _type_of(type_: pa.DataType) -> str:
    if pa.types.is_nested(type_):
        return "JSON"
    if pa.types.is_timestamp(type_):
        return "TIMESTAMP"
    if pa.types.is_boolean(type_):
        return "BOOL"
    if pa.types.is_integer(type_):
        return "INT64"
    return "FLOAT64" if pa.types.is_floating(type_) else "STRING"  # bytes are base64 in JSON texts, and stay it


class Rows:
    """Makes rows of a table."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """Take the columns, in the order of the table."""
        self.descriptor = _descriptor(columns)
        self._columns = [(column.name, _KINDS[column.type].value) for column in columns if column.name != MESSAGE_ID]
        self._make = _message_class(self.descriptor)

    def serialized(self, texts: Sequence[bytes], ids: Sequence[str]) -> Iterator[bytes]:
        """Yield a row for each text.

        Args:
            texts: An object of JSON each.
            ids: Of the messages, as many.
        """
        for text, id_ in zip(texts, ids, strict=True):
            values = json.loads(text)
            there = {name: value(values[name]) for name, value in self._columns if values.get(name) is not None}
            yield self._make(**{MESSAGE_ID: id_}, **there).SerializeToString()


def _descriptor(columns: Sequence[Column]) -> descriptor_pb2.DescriptorProto:
    made = descriptor_pb2.DescriptorProto(name=_ROW)
    for number, column in enumerate(columns, 1):
        label = _Field.LABEL_REQUIRED if column.required else _Field.LABEL_OPTIONAL
        made.field.add(name=column.name, number=number, type=_KINDS[column.type].number, label=label)
    return made


def _message_class(descriptor: descriptor_pb2.DescriptorProto) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, syntax="proto2", message_type=[descriptor])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(_ROW))
