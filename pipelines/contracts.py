"""The published schemas by name: of playbooks, of offers, of each type of signal."""

import json
from pathlib import Path

import schemas
from pipelines.failures import Failure
from schemas.near_miss import near_miss

AVRO = Path(schemas.__path__[0]) / "avro"


class NoSchemaError(Failure):
    """There is no schema of that name."""


def schema_text(name: str) -> str:
    """Return the JSON Schema of playbooks for `playbook`, else the Avro contract of that name.

    Raises:
        NoSchemaError: with the near miss.
    """
    if name == "playbook":
        from schemas.playbook_file import playbook_json_schema

        return json.dumps(playbook_json_schema(), indent=2) + "\n"
    names = {"playbook", *(path.stem for path in AVRO.glob("*.avsc"))}
    if name not in names:
        raise NoSchemaError(f"no schema `{name}`; {near_miss(name, names, len(names))}")
    return (AVRO / f"{name}.avsc").read_text("utf-8")
