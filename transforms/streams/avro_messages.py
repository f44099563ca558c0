"""Messages of one Avro record each: framed with the id of a schema, with its fingerprint, or bare."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from fastavro.schema import fingerprint, to_parsing_canonical_form

from transforms.parsing.avro_codecs import Torn
from transforms.parsing.avro_container import Block
from transforms.parsing.avro_records import decoded
from transforms.parsing.avro_schema import AvroField, schema_fields
from transforms.parsing.raw import POSITION, Parsed, Rejection, Unreadable, raw_block
from transforms.streams.cloud_events import Body
from transforms.streams.feed import Feed

SchemaOf = Callable[[int], Any]
"""Returns the schema of an id, parsed JSON; LookupError, which says why, if there is none that can be used."""

FRAMED, FRAME = b"\0", 5
"""How a message starts that bears the id of a schema in a registry, and the bytes up to its data."""

UNNAMED_REGISTRY = (
    "the message bears the id of a schema in a registry (Confluent framing), and no registry is named: "
    "add `registry=http://HOST:8081` to the address"
)
_SINGLE, _HEAD = b"\xc3\x01", 10


def parse_avro(bodies: Sequence[Body], feed: Feed, schema_of: SchemaOf | None) -> Iterator[Parsed]:
    """Decode bodies.

    Args:
        bodies: One record each.
        feed: Of them; its schema is that of records that bear no id.
        schema_of: Asks the registry; then every message must bear an id.

    Yields:
        Rows of the wanted columns that a schema has, one block a schema; `POSITION` is their place among the bodies.
        Rejected: `confluent_framing` (no registry is named), `not_framed`, `unknown_schema` (which is not in the
        registry, or none that can be read), `no_schema`, `malformed_avro`.

    Raises:
        Unreadable: the feed's own schema is none.
    """
    if schema_of is not None:
        yield from _of_registry(bodies, feed, schema_of)
    elif feed.schema is not None:
        sign = _SINGLE + _fingerprint(json.dumps(feed.schema))
        cut = [_HEAD if body.value.startswith(sign) else 0 for body in bodies]
        blocks = [Block(i, 1, body.value[at:]) for i, (body, at) in enumerate(zip(bodies, cut, strict=True))]
        yield _decoded(blocks, schema_fields(feed.schema), bodies, feed)
    else:
        yield Parsed(_NOTHING, [_without_schema(body, feed) for body in bodies])


_NOTHING = raw_block([], [], np.empty(0, np.int64), "")


def _without_schema(body: Body, feed: Feed) -> Rejection:
    if body.value.startswith(FRAMED) and len(body.value) > FRAME:
        return body.message.rejected(feed.unit, "confluent_framing", UNNAMED_REGISTRY)
    why = (
        "nothing tells the schema of the message: add `schema=FILE.avsc` or `registry=http://HOST:8081` to the address"
    )
    return body.message.rejected(feed.unit, "no_schema", why)


def _of_registry(bodies: Sequence[Body], feed: Feed, schema_of: SchemaOf) -> Iterator[Parsed]:
    """Decode bodies that bear the ids of their schemas."""
    by_id: dict[int, list[Block]] = {}
    rejections = []
    for place, body in enumerate(bodies):
        if body.value.startswith(FRAMED) and len(body.value) >= FRAME:
            number = int.from_bytes(body.value[1:FRAME], "big")
            by_id.setdefault(number, []).append(Block(place, 1, body.value[FRAME:]))
        else:
            why = "the message bears no id of a schema (Confluent framing), and the address names a registry"
            rejections.append(body.message.rejected(feed.unit, "not_framed", why))
    yield Parsed(_NOTHING, rejections)
    for number, blocks in by_id.items():
        try:
            fields = schema_fields(schema_of(number))
        except (LookupError, Unreadable) as error:
            why = f"the schema {number} cannot be used: {error.args[0] if error.args else 'it is not there'}"
            messages = [bodies[block.offset].message for block in blocks]
            yield Parsed(_NOTHING, [message.rejected(feed.unit, "unknown_schema", why) for message in messages])
        else:
            yield _decoded(blocks, fields, bodies, feed)


def _decoded(blocks: Sequence[Block], fields: Sequence[AvroField], bodies: Sequence[Body], feed: Feed) -> Parsed:
    """Decode records together; if that fails, those that are whole, and in the end each alone."""
    wanted = list(feed.types)
    if not blocks:
        return Parsed(_NOTHING, [])
    if (rows := decoded(blocks, fields, wanted)) is not None:
        return Parsed(rows, [])
    whole = [block for block in blocks if _is_whole(block.data, fields)]
    parts = [*_in_halves(whole, fields, wanted)]
    kept = {int(place) for part in parts for place in part.column(POSITION).to_pylist()}
    why = "the message is not one record of its schema and nothing else"
    torn = [bodies[block.offset].message for block in blocks if block.offset not in kept]
    rows = pa.concat_batches(parts) if parts else _NOTHING
    return Parsed(rows, [message.rejected(feed.unit, "malformed_avro", why) for message in torn])


def _in_halves(blocks: Sequence[Block], fields: Sequence[AvroField], wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield what can be decoded: a value may be none, as a symbol that there is not, though a record is whole."""
    if not blocks:
        return
    if (rows := decoded(blocks, fields, wanted)) is not None:
        yield rows
    elif len(blocks) > 1:
        middle = len(blocks) // 2
        yield from _in_halves(blocks[:middle], fields, wanted)
        yield from _in_halves(blocks[middle:], fields, wanted)


def _is_whole(data: bytes, fields: Sequence[AvroField]) -> bool:
    """Return whether bytes are a record and nothing else."""
    at = 0
    try:
        for field in fields:
            at = field.skip(data, at)
    except (Torn, RecursionError):
        return False
    return at == len(data)


@cache
def _fingerprint(schema: str) -> bytes:
    """Return the CRC-64-AVRO of a schema, as it stands in messages."""
    parsed: dict[str, Any] = json.loads(schema)
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO"))
