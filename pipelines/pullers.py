"""What reads the addresses of a stream, with what its playbook and sources say of the signals there."""

import json
from collections.abc import Sequence

from pipelines.inputs import Input
from schemas.addresses import Address
from schemas.errors import LoadError, LoadErrors
from schemas.files import read_file
from schemas.sources import Source
from transforms.parsing.mapping import compile_mapper
from transforms.parsing.raw_types import made_fields, raw_types
from transforms.streams import reading
from transforms.streams.feed import Feed
from transforms.streams.kafka import KafkaPuller
from transforms.streams.pull import Puller

GROUP = "segone"
"""The consumer group of Kafka where an address names none."""

MAX_SCHEMA_BYTES = 1024 * 1024


def readers(inputs: Sequence[Input], payloads: dict[str, tuple[str, ...]]) -> list[reading.Input]:
    """Return what reads each address that does not end.

    Raises:
        LoadErrors: mistakes in maps, schemas that cannot be read.
    """
    found = []
    for one in inputs:
        for number, address in enumerate(one.streams, 1):
            label = one.label if number == 1 else f"{one.label} {number}"
            puller = _puller(one.source, address, payloads[one.source.contract.name])
            found.append(reading.Input(label, one.source, puller, reading.rules_of(address)))
    return found


def _puller(source: Source, address: Address, payload: Sequence[str]) -> Puller:
    said, feed = address.options, feed_of(source, address, payload)
    linger = said["linger"] / 1000
    if address.scheme == "kafka":
        group, start = said["group"] or GROUP, said["start"]
        return KafkaPuller(feed, ",".join(address.hosts), address.name, group, start, address.client, linger)
    raise NotImplementedError


def feed_of(source: Source, address: Address, payload: Sequence[str]) -> Feed:
    """Return what the messages at an address hold.

    Raises:
        LoadErrors: mistakes in the map, a schema that cannot be read.
    """
    fields, said = made_fields(source, payload), address.options
    types = raw_types(source, fields)
    compile_mapper(source, fields, types)
    return Feed(
        source=source,
        types=types,
        address=address.bare,
        unit="offset" if address.scheme == "kafka" else "message",
        format="avro" if said["format"] == "avro" else "jsonl",
        schema=_schema(said["schema"]),
        registry=said["registry"] or "",
    )


def _schema(path: str | None) -> object:
    if path is None:
        return None
    try:
        return json.loads(read_file(path, MAX_SCHEMA_BYTES))
    except ValueError as error:
        raise LoadErrors([LoadError(path, None, f"is no Avro schema: {error}", hint="give a file of JSON")]) from error
