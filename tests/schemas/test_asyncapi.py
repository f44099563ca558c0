"""docs/asyncapi.yaml is whole: its form, what it refers to, and samples that are what really goes out and comes back.

The form is checked by models of the part of AsyncAPI 3.0 that we use, not by its official JSON Schema: of that there is
no maintained Python package. References, schemas and samples are checked as they are.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

import fastavro
import fastavro.validation
import fastjsonschema
import pytest

from schemas.contracts import SIGNALS, contract
from tests.schemas.asyncapi_document import problems, read, real_samples, resolved, schemas

DOCUMENT = read()
MESSAGES = DOCUMENT["components"]["messages"]
IN_JSON = [name for name, message in MESSAGES.items() if "schemaFormat" not in message["payload"]]
IN_AVRO = [name for name in MESSAGES if name not in IN_JSON]
REFRESH = "if it is right: python -m tests.schemas.asyncapi_document"


def test_it_is_a_whole_document() -> None:
    assert problems(DOCUMENT) == []


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda new: new.update(asyncapi="2.6.0"), "asyncapi: Input should be '3.0.0'"),
        (lambda new: new.update(server={}), "server: Extra inputs are not permitted"),
        (lambda new: new["info"].pop("title"), "info.title: Field required"),
        (lambda new: new["info"].update(version=1.0), "info.version: Input should be a valid string"),
        (lambda new: new["channels"]["offers"].update(addres="x"), "channels.offers.addres: Extra inputs"),
        (lambda new: new["channels"]["offers"].update(messages={}), "channels.offers.messages: Dictionary should have"),
        (
            lambda new: new["operations"]["makeOffers"].update(action="shout"),
            "operations.makeOffers.action: Input should",
        ),
        (lambda new: new["operations"].pop("hearOfContacts"), "#/channels/contact: nothing refers to it"),
        (
            lambda new: new["channels"].pop("contact"),
            "/operations/hearOfContacts/channel: #/channels/contact names nothing",
        ),
        (
            lambda new: new["channels"]["contact"].update(
                messages={"contact": {"$ref": "#/components/messages/outcome"}}
            ),
            "#/components/messages/contact: nothing refers to it",
        ),
        (
            lambda new: new["operations"]["makeOffers"].update(messages=[{"$ref": "#/components/messages/offerMade"}]),
            "makeOffers: #/components/messages/offerMade is no message of its channel",
        ),
        (
            lambda new: new["components"]["messages"]["contact"]["payload"]["schema"].update(
                {"$ref": "../schemas/avro/contacts.avsc"}
            ),
            "/components/messages/contact/payload/schema: ../schemas/avro/contacts.avsc names nothing",
        ),
        (
            lambda new: new["components"]["messages"]["contact"].update(examples=[]),
            "components.messages.contact.examples: List should have",
        ),
        (lambda new: new["components"]["schemas"].update({"a b": {}}), "a b: is no name"),
    ],
)
def test_what_is_wrong_with_it_is_told(change: Change, told: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    assert any(problem.startswith(told) for problem in problems(document)), problems(document)


def test_signals_that_come_back_are_those_that_a_run_takes() -> None:
    inbound = [one["channel"]["$ref"] for one in DOCUMENT["operations"].values() if one["action"] == "receive"]
    assert {ref.rpartition("/")[2] for ref in inbound} == {"contact", "outcome"} <= {*SIGNALS}


def test_schemas_follow_from_the_contracts() -> None:
    assert DOCUMENT["components"]["schemas"] == schemas(), REFRESH


@pytest.mark.parametrize("name", MESSAGES)
def test_samples_are_what_is_really_written(name: str) -> None:
    (example,) = MESSAGES[name]["examples"]
    assert example["payload"] == real_samples()[name], REFRESH


def complaints(name: str, payload: dict[str, Any]) -> str:
    """Return what is wrong with a message in JSON; nothing if it is as its schema says."""
    check = fastjsonschema.compile(resolved(DOCUMENT, MESSAGES[name]["payload"]))
    try:
        check(payload)
    except fastjsonschema.JsonSchemaValueException as error:
        return str(error.message)
    return ""


@pytest.mark.parametrize("name", IN_JSON)
def test_samples_in_json_are_as_their_schema_says(name: str) -> None:
    for sample in MESSAGES[name]["examples"]:
        assert complaints(name, sample["payload"]) == ""
        assert complaints(name, sample["payload"] | {"colour": "blue"}) == ""


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("offerMade", {"type": "offer.withdrawn"}),
        ("offerMade", {"time": 1_772_442_000_000}),
        ("offerMade", {"time": "yesterday"}),
        ("offerMade", {"playbookversion": "1"}),
        ("offerMade", {"data": {}}),
        ("offerWithdrawn", {"type": "offer.made"}),
        ("offerWithdrawn", {"data": MESSAGES["offerMade"]["examples"][0]["payload"]["data"]}),  # without a reason
        ("decision", {"subject": None}),
        ("decision", {"context": "{}"}),
        ("decision", {"candidates": [{}]}),
    ],
)
def test_what_is_not_as_the_schema_says_is_told(name: str, wrong: dict[str, Any]) -> None:
    assert complaints(name, MESSAGES[name]["examples"][0]["payload"] | wrong) != ""


@pytest.mark.parametrize("name", IN_AVRO)
def test_samples_in_avro_are_as_their_contract_says(name: str) -> None:
    schema = resolved(DOCUMENT, MESSAGES[name]["payload"]["schema"])
    parsed = fastavro.parse_schema(json.loads(json.dumps(schema)))
    for sample in MESSAGES[name]["examples"]:
        assert fastavro.validation.validate(sample["payload"], parsed)
        assert sample["payload"].keys() <= {field["name"] for field in schema["fields"]}
        for field in contract(name).fields if name in SIGNALS else ():
            assert not field.values or sample["payload"][field.name] in field.values


def test_every_message_is_in_json_or_avro() -> None:
    assert set(IN_JSON) == {"offerMade", "offerWithdrawn", "decision", "operation"}
    assert set(IN_AVRO) == {"offerRecord", "contact", "outcome"}
