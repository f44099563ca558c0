"""The published schemas by name: of playbooks, of offers, of each type of signal."""

import json
from collections.abc import Callable
from pathlib import Path

import schemas
from pipelines.failures import Failure
from schemas.near_miss import near_miss

AVRO = Path(schemas.__path__[0]) / "avro"


def _playbook() -> str:
    from schemas.playbook_file import playbook_json_schema

    return json.dumps(playbook_json_schema(), indent=2) + "\n"


def _flex_template() -> str:
    from pipelines.flex_template import metadata

    return json.dumps(metadata(), indent=2) + "\n"


def _metrics() -> str:
    from pipelines.metrics_page import page

    return page()


def _tables() -> str:
    from pipelines.tables import tables

    return json.dumps(tables(), indent=2) + "\n"


MADE: dict[str, Callable[[], str]] = {
    "playbook": _playbook,
    "flex_template": _flex_template,
    "metrics": _metrics,
    "tables": _tables,
}
"""What is made from the models of this program."""


class NoSchemaError(Failure):
    """There is no schema of that name."""


def schema_text(name: str) -> str:
    """Return the JSON Schema of playbooks, a page or file of `MADE`, or the Avro contract of that name.

    Raises:
        NoSchemaError: with the near miss.
    """
    if name in MADE:
        return MADE[name]()
    names = {*MADE, *(path.stem for path in AVRO.glob("*.avsc"))}
    if name not in names:
        raise NoSchemaError(f"no schema `{name}`; {near_miss(name, names, len(names))}")
    return (AVRO / f"{name}.avsc").read_text("utf-8")
