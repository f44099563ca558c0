"""The contracts are whole, and a published one is not broken."""

import copy
import json
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from schemas.contracts import ENVELOPE, SIGNALS, breaking_changes, contract, parse_contract
from schemas.errors import LoadErrors

CURRENT = Path(__file__).parents[2] / "schemas" / "avro"
PUBLISHED = Path(__file__).parent / "published"


def test_every_signal_has_a_contract_that_avro_accepts() -> None:
    assert {path.stem for path in CURRENT.glob("*.avsc")} >= set(SIGNALS)
    for name in SIGNALS:
        schema = json.loads((CURRENT / f"{name}.avsc").read_text())
        fastavro.parse_schema(copy.deepcopy(schema))
        assert schema["name"] == contract(name).name == name
        assert contract(name).arrow_schema().names[:5] == list(ENVELOPE)


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.avsc")), ids=lambda path: path.stem)
def test_published_contracts_are_not_broken(path: Path) -> None:
    current = json.loads((CURRENT / path.name).read_text())
    assert breaking_changes(json.loads(path.read_text()), current) == []


def test_arrow_types_follow_the_contract() -> None:
    schema = contract("usage").arrow_schema()
    assert schema.field("time") == pa.field("time", pa.int64(), nullable=False)
    assert schema.field("mb") == pa.field("mb", pa.float64())
    assert schema.field("roaming").type == pa.bool_()
    assert contract("usage").by_name["mb"].scale == 6
    assert contract("news").subject_kind_default == "sme"


def _usage() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((CURRENT / "usage.avsc").read_text())
    return schema


def _change(name: str, **new: Any) -> dict[str, Any]:
    schema = _usage()
    next(field for field in schema["fields"] if field["name"] == name).update(new)
    return schema


def _without(name: str) -> dict[str, Any]:
    schema = _usage()
    schema["fields"] = [field for field in schema["fields"] if field["name"] != name]
    return schema


def _listing(*values: str) -> dict[str, Any]:
    return _change("kind", values=[*values])


def _with(field: dict[str, Any]) -> dict[str, Any]:
    schema = _usage()
    schema["fields"].append(field)
    return schema


@pytest.mark.parametrize(
    ("new", "changes"),
    [
        (_usage(), []),
        (_change("mb", doc="other words"), []),
        (_change("mb", max=2e9), []),
        (_with({"name": "colour", "type": ["null", "string"], "default": None}), []),
        (_without("mb"), ["mb: removed"]),
        (_with({"name": "colour", "type": "string"}), ["colour: new and required"]),
        (_change("mb", type=["null", "long"]), ["mb: scale changed", "mb: type changed"]),
        (_change("kind", type="string"), ["kind: became required"]),
        (_change("mb", scale=3), ["mb: scale changed"]),
        (_change("mb", min=1), ["mb: smallest value raised"]),
        (_change("mb", max=1), ["mb: greatest value lowered"]),
        (_change("subject_kind", default="sme"), ["subject_kind: default changed"]),
    ],
)
def test_breaking_changes(new: dict[str, Any], changes: list[str]) -> None:
    assert breaking_changes(_usage(), new) == changes


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (_listing("data"), _listing("sms", "data"), []),
        (_listing("data"), _usage(), []),
        (_listing("data", "sms"), _listing("data"), ["kind: fewer values allowed"]),
        (_usage(), _listing("data"), ["kind: fewer values allowed"]),
    ],
)
def test_fewer_values_are_a_breaking_change(old: dict[str, Any], new: dict[str, Any], changes: list[str]) -> None:
    assert breaking_changes(old, new) == changes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not a JSON file"),
        ("[]", "is not an Avro record"),
        ('{"type": "record", "name": "x", "fields": [{}]}', "a field without a name"),
        ('{"type": "record", "name": "x", "fields": []}', "must start with the fields id, source, time"),
        (json.dumps(_with({"name": "mb", "type": "long"})), "field `mb` is there twice"),
        (json.dumps(_with({"name": "peers", "type": {"type": "array", "items": "string"}})), "field `peers`: the type"),
        (json.dumps(_with({"name": "Peer", "type": "string"})), "`Peer` must be lower case"),
        (json.dumps(_change("time", type="string")), "field `time` must be a required long"),
        (json.dumps(_change("subject_kind", default="cat")), "needs a default"),
        (json.dumps(_change("mb", max="many")), "min and max must be numbers"),
        (json.dumps(_change("mb", max=10**30)), "min and max must be numbers of at most 64 bits"),
        (json.dumps(_change("mb", min=float("nan"))), "min and max must be numbers"),
        (json.dumps(_change("mb", scale=400)), "scale must be a whole number from 1 to 15"),
        (json.dumps(_change("mb", scale=1.5)), "scale must be a whole number"),
        (json.dumps(_change("mb", type=["null", ["null", "double"]])), "field `mb`: the type"),
        ("9" * 5_000, "is not a JSON file"),
        (json.dumps(_change("mb", values=["1"])), "field `mb`: values must be a list of texts, of a string"),
        (json.dumps(_change("kind", values="data")), "values must be a list of texts"),
        (json.dumps(_change("kind", values=[])), "values must be a list of texts"),
        (json.dumps(_change("kind", values=["data", 1])), "values must be a list of texts"),
    ],
)
def test_what_is_no_contract_is_refused(text: str, message: str) -> None:
    with pytest.raises(LoadErrors, match=message):
        parse_contract(text.encode(), "own.avsc")
