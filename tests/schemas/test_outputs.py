"""The contracts of what goes out: what was published stays, and records are as the contracts say."""

import copy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import fastavro.validation
import pyarrow as pa
import pytest

from pipelines.offers_pipeline import WRITERS
from schemas.records import OPERATION
from tests.schemas import samples
from tests.schemas.nested_contracts import arrow_fields, nested_changes
from transforms.decision.offers import offers_of
from transforms.decision.records import decision_schema

CURRENT = Path(__file__).parents[2] / "schemas" / "avro"
OUTPUTS = Path(__file__).parent / "published_outputs"
SIGNALS = Path(__file__).parent / "published"
PUBLISHED = [*sorted(OUTPUTS.glob("*.avsc")), *(SIGNALS / f"{name}.avsc" for name in ("contact", "outcome"))]
OF_THE_PLAYBOOK = {"context", "evidence"}
"""Columns of decisions whose type is another in each playbook: the contract has them as JSON text."""


def avro(name: str, folder: Path = CURRENT) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((folder / f"{name}.avsc").read_text("utf-8"))
    return schema


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_what_consumers_read_stays(path: Path) -> None:
    assert nested_changes(json.loads(path.read_text("utf-8")), avro(path.stem)) == []


def test_all_that_goes_out_was_published() -> None:
    assert {path.stem for path in OUTPUTS.glob("*.avsc")} == {"offer", "decision", "operation"}


Change = Callable[[dict[str, Any]], object]
OPTIONAL = {"name": "colour", "type": ["null", "string"], "default": None}
NESTED = {"type": "record", "name": "more", "fields": [{"name": "colour", "type": "string"}]}


def field(schema: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return a field, through lists and what is optional."""
    for name in path:
        found = next(one for one in schema["fields"] if one["name"] == name)
        schema = found["type"]
        while not isinstance(schema, str) and (isinstance(schema, list) or schema["type"] == "array"):
            schema = schema[1] if isinstance(schema, list) else schema["items"]
    return found


def gate(schema: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = field(schema, "candidates", "gates")["type"]["items"]
    return record


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda new: new.update(doc="other words"), []),
        (lambda new: new["fields"].append(OPTIONAL), []),
        (lambda new: gate(new)["fields"].append(OPTIONAL), []),
        (lambda new: new["fields"].append({"name": "more", "type": ["null", NESTED], "default": None}), []),
        (lambda new: new["fields"].append({"name": "more", "type": NESTED}), ["more: new and required"]),
        (
            lambda new: gate(new)["fields"].append({"name": "colour", "type": "string"}),
            ["candidates[].gates[].colour: new and required"],
        ),
        (lambda new: new["fields"].pop(0), ["decision_id: removed"]),
        (lambda new: gate(new)["fields"].pop(), ["candidates[].gates[].read: removed"]),
        (
            lambda new: field(new, "candidates", "offer").update(name="offered"),
            ["candidates[].offer: removed", "candidates[].offered: new and required"],
        ),
        (
            lambda new: field(new, "candidates", "p_accept").update(type=["null", "long"]),
            ["candidates[].p_accept: type changed"],
        ),
        (lambda new: field(new, "tick").update(type="long"), ["tick: type changed"]),
        (lambda new: field(new, "segments")["type"].reverse(), ["segments: type changed"]),
        (
            lambda new: field(new, "segments").update(type={"type": "array", "items": "string"}),
            ["segments: type changed"],
        ),
        (lambda new: field(new, "reason").update(type="string"), ["reason: type changed"]),
        (lambda new: field(new, "reason").pop("default"), ["reason: default changed"]),
        (lambda new: field(new, "n").update(type=["null", "long"]), ["n: type changed"]),
        (lambda new: new.update(name="answer"), ["renamed from decision to answer"]),
        (lambda new: gate(new).update(name="door"), ["candidates[].gates[].: renamed from gate to door"]),
    ],
)
def test_what_breaks_consumers_is_told(change: Change, told: list[str]) -> None:
    new = copy.deepcopy(avro("decision"))
    change(new)
    assert nested_changes(avro("decision"), new) == told


def test_every_column_of_decisions_is_in_the_contract() -> None:
    columns, promised = decision_schema(samples.plan()), pa.schema(arrow_fields(avro("decision")))
    assert columns.names == promised.names
    for column, field_ in zip(columns, promised, strict=True):
        if column.name in OF_THE_PLAYBOOK:
            assert pa.types.is_struct(column.type)
            assert field_ == pa.field(column.name, pa.string())
        else:
            assert (column.name, column.type) == (field_.name, field_.type)
            assert column.nullable == field_.nullable or column.name == "segments"


def test_every_column_of_operations_is_in_the_contract() -> None:
    assert pa.schema(arrow_fields(avro("operation"))) == OPERATION


def decisions() -> list[dict[str, Any]]:
    """Return decisions as the contract has them."""
    rows = samples.decisions().to_pylist()
    return [row | {name: _text(row[name]) for name in OF_THE_PLAYBOOK} for row in rows]


def _text(value: object) -> str | None:
    return None if value is None else json.dumps(value)


def offers() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = offers_of(samples.plan(), samples.decisions()).to_pylist()
    return rows


def test_the_small_case_has_what_matters() -> None:
    assert [row["action"] for row in decisions()] == ["offer", "no_offer", "no_offer", "withdrawn"]
    assert [row["type"] for row in offers()] == ["offer.made", "offer.withdrawn"]


@pytest.mark.parametrize(
    ("name", "rows"), [("decision", decisions()), ("offer", offers()), ("operation", samples.operations().to_pylist())]
)
def test_whoever_has_the_published_contract_reads_what_is_written(name: str, rows: list[dict[str, Any]]) -> None:
    writer, reader = (fastavro.parse_schema(avro(name, folder)) for folder in (CURRENT, OUTPUTS))
    for row in rows:
        fastavro.validation.validate(row, writer)
        sink = io.BytesIO()
        fastavro.schemaless_writer(sink, writer, row)
        sink.seek(0)
        assert fastavro.schemaless_reader(sink, writer, reader) == known(row, avro(name, OUTPUTS))


def known(value: Any, type_: Any) -> Any:
    """Return what a schema has of a value: records have fields that it does not know."""
    if isinstance(type_, list):
        return None if value is None else known(value, type_[1])
    if not isinstance(type_, dict) or type_["type"] not in ("array", "record"):
        return value
    if type_["type"] == "array":
        return [known(one, type_["items"]) for one in value]
    return {field_["name"]: known(value[field_["name"]], field_["type"]) for field_ in type_["fields"]}


def test_json_lines_of_decisions_say_the_same() -> None:
    sink = io.BytesIO()
    WRITERS["decisions"]["jsonl"](samples.decisions(), sink)
    lines = [json.loads(line) for line in sink.getvalue().splitlines()]
    names = {one["name"] for one in avro("decision")["fields"]}
    for line, row in zip(lines, decisions(), strict=True):
        assert line.keys() == names
        for name in ("params", *OF_THE_PLAYBOOK):
            assert line[name] == (None if row[name] is None else json.loads(row[name]))
