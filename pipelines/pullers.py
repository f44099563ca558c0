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
from transforms.read_signals import MAX_RECORD_BYTES
from transforms.shell.folder_store import FolderStore
from transforms.streams import reading
from transforms.streams.feed import Feed
from transforms.streams.folder import FolderPuller
from transforms.streams.folder_files import Files
from transforms.streams.kafka import KafkaPuller, close_kafka
from transforms.streams.pubsub import PubSubPuller, close_pubsub
from transforms.streams.pull import Puller

MAX_SCHEMA_BYTES = 1024 * 1024


def readers(
    inputs: Sequence[Input],
    payloads: dict[str, tuple[str, ...]],
    needed: int | None = None,
    alert_rejected: float = 1.0,
    reader: str = "",
) -> list[reading.Input]:
    """Return what reads each address that does not end.

    Args:
        inputs: With their addresses.
        payloads: Fields of each signal type that the playbook reads.
        needed: Signals from before are of no use to the cut that the run starts from, milliseconds: what a topic got
            before is not read, unless the group stands there. None: all are.
        alert_rejected: The share of the records of a feed, of 1, that may be rejected in a minute without alarm.
        reader: Who is told of an alarm reads them, `/segment-of-one/PLAYBOOK`.

    Raises:
        LoadErrors: mistakes in maps, schemas that cannot be read.
    """
    found = []
    for one in inputs:
        for number, address in enumerate(one.streams, 1):
            label = one.label if number == 1 else f"{one.label} {number}"
            puller = _puller(one.source, address, payloads[one.source.contract.name], needed)
            found.append(reading.Input(label, one.source, puller, reading.rules_of(address), alert_rejected, reader))
    return found


def close_readers() -> None:
    """Let go of what this process reads: what was acknowledged is sent, what is leased given back."""
    close_kafka()
    close_pubsub()


def _puller(source: Source, address: Address, payload: Sequence[str], needed: int | None) -> Puller:
    said = address.options
    if address.scheme == "watch":
        files = Files.of(source, payload, MAX_RECORD_BYTES)
        return FolderPuller(address.name, files, FolderStore(), group=said["group"], every=said["every"])
    feed = feed_of(source, address, payload)
    if address.scheme == "pubsub":
        return PubSubPuller(feed, f"projects/{address.hosts[0]}/subscriptions/{address.name}", said["linger"])
    start: str | int = said["start"]
    if start == "earliest" and needed is not None:
        start = needed
    return KafkaPuller(
        feed,
        ",".join(address.hosts),
        address.name,
        group=said["group"],
        start=start,
        client=address.client,
        linger=said["linger"],
    )


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
        registry=said.get("registry") or "",
    )


def _schema(path: str | None) -> object:
    if path is None:
        return None
    try:
        return json.loads(read_file(path, MAX_SCHEMA_BYTES))
    except ValueError as error:
        raise LoadErrors([LoadError(path, None, f"is no Avro schema: {error}", hint="give a file of JSON")]) from error
