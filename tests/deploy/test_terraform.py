"""Terraform names only what there is: variables, resources, contracts, outputs, parameters of the template."""

import json
import re
from pathlib import Path
from typing import Any

import hcl2
import pytest

from pipelines.flex_template import metadata
from pipelines.offers_pipeline import SORT_BY, STREAM_SORT_BY
from pipelines.tables import tables
from schemas.modes import MODES
from tests.deploy.files import DEPLOY, FLAGS_TO_COME, ROOT

FILES = sorted((DEPLOY / "terraform").glob("*.tf"))
TEXT = "\n".join(path.read_text("utf-8") for path in FILES)
PARSED = {path.name: hcl2.loads(path.read_text("utf-8")) for path in FILES}
TYPES = r"(?:google_\w+)"


def blocks(kind: str) -> list[dict[str, Any]]:
    return [block for each in PARSED.values() for block in each.get(kind, ())]


def plain(text: str) -> str:
    return text.strip('"')


def named(kind: str) -> dict[str, dict[str, Any]]:
    """Return the blocks of a kind with one label."""
    return {plain(name): body for block in blocks(kind) for name, body in block.items()}


def resources(kind: str = "resource") -> dict[tuple[str, str], dict[str, Any]]:
    found = [(of, name, body) for block in blocks(kind) for of, each in block.items() for name, body in each.items()]
    return {(plain(of), plain(name)): body for of, name, body in found}


def default(name: str) -> list[str]:
    value = named("variable")[name]["default"]
    return [plain(each) for each in value]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_terraform(path: Path) -> None:
    assert PARSED[path.name]


def test_versions_are_pinned() -> None:
    (settings,) = blocks("terraform")
    (providers,) = settings["required_providers"]
    given = {name: plain(each["version"]) for name, each in providers.items() if isinstance(each, dict)}
    assert given == {"google": "~> 6.50", "google-beta": "~> 6.50"}
    assert plain(settings["required_version"]).startswith(">= 1.")


def test_every_variable_is_described_and_used() -> None:
    variables = named("variable")
    assert all(plain(body["description"]) for body in variables.values())
    assert {*re.findall(r"\bvar\.(\w+)", TEXT)} == {*variables}


def test_every_output_is_described() -> None:
    assert all(plain(body["description"]) and body["value"] for body in named("output").values())


def test_every_resource_that_is_referred_to_is_there() -> None:
    referred = {*re.findall(rf"(?<![\w.\"])({TYPES})\.(\w+)", TEXT)}
    assert referred <= resources().keys() | resources("data").keys()
    locals_ = {name for block in blocks("locals") for name in block}
    assert {*re.findall(r"\blocal\.(\w+)", TEXT)} <= locals_


@pytest.mark.parametrize("signal", default("signals"))
def test_a_signal_has_a_contract_that_pubsub_takes(signal: str) -> None:
    contract = json.loads((ROOT / "schemas" / "avro" / f"{signal}.avsc").read_text("utf-8"))
    assert contract["type"] == "record"
    assert '"${path.module}/../../schemas/avro/${each.key}.avsc"' in TEXT


def test_outputs_are_those_of_a_run() -> None:
    assert {*default("outputs")} <= {*SORT_BY}
    used = {*re.findall(r'google_pubsub_topic\.output\["(\w+)"\]', TEXT)}
    assert used == {"offers", "rejected"}
    assert used <= {*default("outputs")}


def test_tables_are_those_of_the_outputs() -> None:
    assert json.loads((DEPLOY / "terraform" / "tables.json").read_text("utf-8")) == tables()
    assert tables().keys() == {*SORT_BY, *STREAM_SORT_BY}


def test_parameters_are_those_of_the_template() -> None:
    job = resources()["google_dataflow_flex_template_job", "segone"]["parameters"]
    given = {*re.findall(r"(\w+) = ", job)}
    known = {one["name"]: one for one in metadata()["parameters"]}
    to_come = {flag.removeprefix("--").replace("-", "_") for flag in FLAGS_TO_COME}
    assert given <= known.keys() | to_come
    assert {name for name, one in known.items() if not one["isOptional"]} <= given
    assert plain(named("variable")["mode"]["default"]) in MODES


def test_the_worker_may_do_little() -> None:
    granted = {*re.findall(r'"(roles/[\w.]+)"', TEXT)}
    assert granted == {
        "roles/dataflow.worker",
        "roles/storage.legacyBucketReader",
        "roles/storage.objectUser",
        "roles/artifactregistry.reader",
        "roles/secretmanager.secretAccessor",
        "roles/pubsub.subscriber",
        "roles/pubsub.viewer",
        "roles/pubsub.publisher",
        "roles/bigquery.dataEditor",
    }
    of_project = [name for (kind, name) in resources() if kind == "google_project_iam_member"]
    assert of_project == ["worker"]


def test_there_are_the_three_alerts() -> None:
    alerts = {name for kind, name in resources() if kind == "google_monitoring_alert_policy"}
    assert alerts == {"lag", "rejected", "silent"}


def test_a_job_that_goes_is_cancelled() -> None:
    job = resources()["google_dataflow_flex_template_job", "segone"]
    assert plain(job["on_delete"]) == "cancel"
    assert plain(job["sdk_container_image"]) == "${var.image}"
