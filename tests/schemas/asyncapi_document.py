"""Checks of docs/asyncapi.yaml. As a program: puts the schemas that follow from contracts and real samples into it."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML

from examples.consumer.consume import millis, parse, signals
from pipelines.offers_pipeline import WRITERS
from tests.schemas import samples
from tests.schemas.nested_contracts import json_schema_of
from transforms.decision.offers import event_texts, offers_of
from transforms.write_outputs import FORMATS

DOCUMENT = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
AVRO = Path(__file__).parents[2] / "schemas" / "avro"
OBJECTS = {"params", "evidence", "context"}
"""Fields that are JSON text in Avro, and objects in JSON Lines."""
_NAME = re.compile(r"[A-Za-z0-9._-]+")


class _Strict(BaseModel):
    """A part of the document, without keys that we do not know."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Ref(_Strict):
    ref: str = Field(alias="$ref")


class _Info(_Strict):
    title: str
    version: str
    description: str


class _Channel(_Strict):
    address: str
    summary: str
    description: str | None = None
    messages: dict[str, _Ref] = Field(min_length=1)


class _Operation(_Strict):
    action: Literal["send", "receive"]
    channel: _Ref
    summary: str
    messages: list[_Ref] = Field(min_length=1)


class _Avro(_Strict):
    schemaFormat: Literal["application/vnd.apache.avro;version=1.9.0"]  # noqa: N815 - as AsyncAPI spells it
    schema_: _Ref = Field(alias="schema")


class _Example(_Strict):
    name: str
    summary: str
    payload: dict[str, Any]


class _Message(_Strict):
    name: str
    title: str
    summary: str
    contentType: str = Field(pattern=r"^[a-z]+/[a-z+.-]+$")  # noqa: N815
    payload: _Avro | dict[str, Any]
    examples: list[_Example] = Field(min_length=1)


class _Components(_Strict):
    messages: dict[str, _Message]
    schemas: dict[str, dict[str, Any]]


class _Document(_Strict):
    """What we use of AsyncAPI 3.0: https://www.asyncapi.com/docs/reference/specification/v3.0.0."""

    asyncapi: Literal["3.0.0"]
    id: str
    info: _Info
    defaultContentType: str  # noqa: N815
    channels: dict[str, _Channel]
    operations: dict[str, _Operation]
    components: _Components


def read() -> dict[str, Any]:
    """Return the document."""
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(DOCUMENT.read_text("utf-8"))
    return document


def problems(document: dict[str, Any]) -> list[str]:
    """Return what keeps a document from being AsyncAPI 3.0 of the form that we use, or what it refers to in vain."""
    try:
        _Document.model_validate(document)
    except ValidationError as error:
        return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    return [*_misspelt(document), *_dangling(document), *_unused(document), *_misplaced(document)]


def resolve(document: Mapping[str, Any], ref: str) -> Any:
    """Return what a reference names: a place in the document, or an Avro file beside it.

    Raises:
        LookupError: nothing.
    """
    file, _, pointer = ref.partition("#")
    if file:
        path = (DOCUMENT.parent / file).resolve()
        if path.parent != AVRO or not path.is_file() or pointer:
            raise LookupError(ref)
        return json.loads(path.read_text("utf-8"))
    found: Any = document
    for part in pointer.removeprefix("/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def resolved(document: Mapping[str, Any], part: Any) -> Any:
    """Return a part of the document with what its references name in their place."""
    if isinstance(part, Mapping):
        if "$ref" in part:
            return resolved(document, resolve(document, part["$ref"]))
        return {key: resolved(document, value) for key, value in part.items()}
    return [resolved(document, each) for each in part] if isinstance(part, list) else part


def refs(part: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield where each reference stands, and what it names."""
    items = part.items() if isinstance(part, Mapping) else enumerate(part) if isinstance(part, list) else ()
    for key, value in items:
        if key == "$ref":
            yield path, value
        else:
            yield from refs(value, f"{path}/{key}")


def _misspelt(document: dict[str, Any]) -> Iterator[str]:
    components = document["components"]
    named = [*document["channels"], *document["operations"], *components["messages"], *components["schemas"]]
    yield from (f"{name}: is no name" for name in named if not _NAME.fullmatch(name))


def _dangling(document: dict[str, Any]) -> Iterator[str]:
    for path, ref in refs(document):
        try:
            resolve(document, ref)
        except (LookupError, TypeError):
            yield f"{path}: {ref} names nothing"


def _unused(document: dict[str, Any]) -> Iterator[str]:
    """Yield what nothing refers to: a channel that nobody uses, a message that is on none, a schema."""
    used = {ref for _, ref in refs(document)}
    defined = [f"#/channels/{name}" for name in document["channels"]]
    defined += [f"#/components/{kind}/{name}" for kind, named in document["components"].items() for name in named]
    yield from (f"{place}: nothing refers to it" for place in defined if place not in used)


def _misplaced(document: dict[str, Any]) -> Iterator[str]:
    """Yield messages of operations that are not those of their channel, as AsyncAPI wants them to be."""
    for name, operation in document["operations"].items():
        inside = operation["channel"]["$ref"] + "/messages/"
        for message in operation["messages"]:
            if not message["$ref"].startswith(inside):
                yield f"{name}: {message['$ref']} is no message of its channel"


def schemas() -> dict[str, Any]:
    """Return the JSON Schemas that follow from the contracts, by name."""
    files = {"offerEvent": "offer", "decision": "decision", "operation": "operation"}
    read_ = {name: json.loads((AVRO / f"{file}.avsc").read_text("utf-8")) for name, file in files.items()}
    return {name: json_schema_of(avro, OBJECTS) for name, avro in read_.items()}


def real_samples() -> dict[str, dict[str, Any]]:
    """Return what the program writes of a small case, by message."""
    decisions, sink, operations = samples.decisions(), io.BytesIO(), io.BytesIO()
    WRITERS["decisions"]["jsonl"](decisions, sink)
    FORMATS["jsonl"](pa.Table.from_batches([samples.operations()]), operations)
    texts = event_texts(offers_of(samples.plan(), decisions))
    events = {event["type"]: event for event in map(json.loads, texts)}
    lines = {line["subject"]: line for line in map(json.loads, sink.getvalue().splitlines())}
    found = {"offerMade": events["offer.made"], "offerWithdrawn": events["offer.withdrawn"]}
    found |= {"offerRecord": _record(found["offerMade"]), "decision": lines["ben"]}
    found["operation"] = json.loads(operations.getvalue())
    shown = parse(json.dumps(found["offerMade"]).encode())
    return found | dict(signals(shown, "shown", samples.NINE + samples.MINUTE, accept=1))


def _record(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event as its Avro record."""
    data = event["data"] | {"valid_until": millis(event["data"]["valid_until"])}
    return event | {"time": millis(event["time"]), "data": data | {"params": json.dumps(data["params"])}}


def refresh() -> None:
    """Put schemas and samples into the document."""
    yaml = YAML()
    yaml.width = 120
    document = yaml.load(DOCUMENT.read_text("utf-8"))
    document["components"]["schemas"] = schemas()
    for name, sample in real_samples().items():
        document["components"]["messages"][name]["examples"][0]["payload"] = sample
    with DOCUMENT.open("w", encoding="utf-8") as sink:
        yaml.dump(document, sink)


if __name__ == "__main__":
    refresh()
