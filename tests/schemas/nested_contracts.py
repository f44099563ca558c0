"""Contracts of any depth: what breaks whoever reads by them, and the Arrow schemas and JSON Schemas that follow."""

from collections.abc import Collection
from typing import Any

import pyarrow as pa

from schemas.records import INSTANT

ARROW = {"string": pa.string(), "long": pa.int64(), "double": pa.float64(), "boolean": pa.bool_()}
JSON = {"string": "string", "long": "integer", "double": "number", "boolean": "boolean"}


def nested_changes(old: dict[str, Any], new: dict[str, Any], path: str = "") -> list[str]:
    """Return what breaks consumers or producers of the record `old` under `new`; empty if nothing does.

    Compatible are an optional field more, at any depth, and another `doc`; all else is not. Fields within are told as
    `data.offer`, and `candidates[].gates[].gate` of lists.
    """
    before, after = ({path + field["name"]: field for field in record["fields"]} for record in (old, new))
    found = [f"{name}: removed" for name in before.keys() - after.keys()]
    found += [f"{name}: new and required" for name in after.keys() - before.keys() if "default" not in after[name]]
    for name in before.keys() & after.keys():
        found += _type_changes(before[name]["type"], after[name]["type"], name)
        if ("default" in before[name], before[name].get("default")) != (
            "default" in after[name],
            after[name].get("default"),
        ):
            found.append(f"{name}: default changed")
    if (old["name"], old.get("namespace")) != (new["name"], new.get("namespace")):
        found.append(f"{path}: renamed from {old['name']} to {new['name']}".removeprefix(": "))
    return sorted(found)


def _type_changes(old: Any, new: Any, path: str) -> list[str]:
    if isinstance(old, list) and isinstance(new, list):  # both optional
        return _type_changes(old[1], new[1], path)
    if isinstance(old, dict) and isinstance(new, dict) and old["type"] == new["type"]:
        if old["type"] == "record":
            return nested_changes(old, new, f"{path}.")
        if old["type"] == "array":
            return _type_changes(old["items"], new["items"], f"{path}[]")
    return [] if old == new else [f"{path}: type changed"]


def arrow_of(avro: Any) -> pa.DataType:
    """Return the Arrow type of an Avro type."""
    if isinstance(avro, list):  # null, or something
        return arrow_of(avro[1])
    if isinstance(avro, str):
        return ARROW[avro]
    if avro["type"] == "array":
        return pa.list_(arrow_of(avro["items"]))
    return INSTANT if avro["type"] == "long" else pa.struct(arrow_fields(avro))


def arrow_fields(record: dict[str, Any]) -> list[pa.Field]:
    """Return the Arrow fields of an Avro record."""
    return [
        pa.field(field["name"], arrow_of(field["type"]), nullable=isinstance(field["type"], list))
        for field in record["fields"]
    ]


def json_schema_of(avro: Any, objects: Collection[str]) -> dict[str, Any]:
    """Return the JSON Schema of an Avro type as JSON Lines hold it: instants are texts, JSON texts are objects.

    Args:
        avro: The type.
        objects: Names of the fields that are JSON text.
    """
    if isinstance(avro, list):
        found = json_schema_of(avro[1], objects)
        return found | {"type": [found["type"], "null"]}
    if isinstance(avro, str):
        return {"type": JSON[avro]}
    if avro["type"] == "array":
        return {"type": "array", "items": json_schema_of(avro["items"], objects)}
    if avro["type"] == "long":
        return {"type": "string", "format": "date-time"}
    return {
        "type": "object",
        "description": avro["doc"],
        "required": [field["name"] for field in avro["fields"] if "default" not in field],
        "properties": {field["name"]: _property(field, objects) for field in avro["fields"]},
    }


def _property(field: dict[str, Any], objects: Collection[str]) -> dict[str, Any]:
    found = json_schema_of(field["type"], objects)
    if field["name"] in objects:
        found["type"] = ["object", "null"] if isinstance(field["type"], list) else "object"
    return found | ({"description": field["doc"]} if "doc" in field else {})
