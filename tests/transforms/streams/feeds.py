"""A feed of usage and its messages, for tests."""

import io
import json
from collections.abc import Mapping
from typing import Any

import fastavro

from schemas.contracts import contract
from schemas.sources import Source, SourceConfig
from transforms.parsing.raw_types import made_fields, raw_types
from transforms.streams.feed import Feed, Message

NOW = 1_767_571_200_123
SCHEMA = {
    "type": "record",
    "name": "usage",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "subject", "type": "string"},
        {"name": "mb", "type": ["null", "double"]},
        {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["data", "voice"]}},
    ],
}


def feed(config: SourceConfig | None = None, **options: Any) -> Feed:
    """Return a feed of usage, of which the playbook reads megabytes and kinds."""
    source = Source(contract("usage"), config or SourceConfig())
    types = raw_types(source, made_fields(source, ["mb", "kind"]))
    return Feed(source, types, **{"address": "kafka://here/usage", "unit": "offset"} | options)


def message(value: bytes | None, position: int = 0, headers: Mapping[str, Any] | None = None) -> Message:
    """Return a message of partition 3."""
    return Message(value, headers or {}, "3", position, NOW)


def signal(number: int, **others: Any) -> dict[str, Any]:
    """Return a signal that is in order."""
    return {"id": f"e{number}", "source": "switch", "time": NOW + number, "subject": "anna", "mb": 1.5} | others


def json_value(number: int, **others: Any) -> bytes:
    """Return it as JSON."""
    return json.dumps(signal(number, **others)).encode()


def avro_value(number: int, schema: dict[str, Any] = SCHEMA, **others: Any) -> bytes:
    """Return it as a bare record of Avro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, signal(number, kind="data") | others)
    return out.getvalue()
