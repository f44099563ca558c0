"""The Flex Template takes what `segone run` takes, and nothing else."""

import re
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pipelines.contracts import schema_text
from pipelines.flags import takes
from pipelines.flex_template import OURS, arguments, metadata
from pipelines.settings import RunSettings

ROOT = Path(__file__).parents[2]
LAUNCHER = ["--runner=DataflowRunner", "--project=p", "--region=r", "--temp_location=gs://b/tmp", "--job_name=j"]


def settings_of(*given: str) -> RunSettings:
    """Return what `segone run` makes of the launcher's arguments."""
    made: list[RunSettings] = []
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(takes(RunSettings)(made.append))
    found = CliRunner().invoke(app, arguments(given), catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return made[0]


def parameters() -> dict[str, Any]:
    return {one["name"]: one for one in metadata()["parameters"]}


def test_the_file_is_made_from_the_settings() -> None:
    written = (ROOT / "deploy" / "dataflow" / "template.json").read_text()
    assert written == schema_text("flex_template"), "segone schema flex_template > deploy/dataflow/template.json"


def test_each_setting_is_a_parameter() -> None:
    flags = [field.metadata["flag"] for field in fields(RunSettings) if field.name not in OURS]
    assert [name.replace("_", "-") for name in parameters()] == [flag.removeprefix("--") for flag in flags]


def test_what_must_be_given_is_not_optional() -> None:
    required = {name for name, one in parameters().items() if not one["isOptional"]}
    assert {"playbook", "signals"} <= required <= {"playbook", "signals", "out"}


def test_what_the_launcher_gives_becomes_a_run() -> None:
    signals = "usage=gs://b/usage/*.parquet balance=gs://b/balance/*.jsonl"
    given = ["--playbook=gs://b/playbooks", f"--signals={signals}", "--out=gs://b/out", "--max_ahead=2h", "--sample=1%"]
    settings = settings_of(*given, *LAUNCHER)
    assert settings.playbook == "gs://b/playbooks"
    assert settings.globs() == {"usage": ("gs://b/usage/*.parquet",), "balance": ("gs://b/balance/*.jsonl",)}
    assert (settings.max_ahead, settings.sample) == (7_200_000, Fraction(1, 100))
    assert settings.engine == "dataflow"
    assert [*settings.beam_options] == [option for option in LAUNCHER if "runner" not in option]


@pytest.mark.parametrize(
    ("given", "message"), [("playbook=x", "is no option"), ("--playbook", "has no value: give it as --playbook=value")]
)
def test_what_it_cannot_take_is_refused(given: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arguments([given])


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("signals", "usage=pubsub://p/usage?format=avro&idle=30s", True),
        ("signals", "usage=a balance=b", True),
        ("signals", "usage", False),
        ("max_ahead", "1d", True),
        ("max_ahead", "a day", False),
        ("until", "2026-12-01T00:00:00+02:00", True),
        ("until", "tomorrow", False),
        ("sample", "1%", True),
        ("shards", "4", True),
        ("shards", "four", False),
        ("max_rejected", "1%", True),
    ],
)
def test_what_the_console_checks(name: str, value: str, fits: bool) -> None:
    (pattern,) = parameters()[name]["regexes"]
    assert bool(re.fullmatch(pattern, value)) is fits


@pytest.mark.parametrize("name", sorted(parameters()))
def test_names_and_texts_are_of_a_form_that_dataflow_takes(name: str) -> None:
    one = parameters()[name]
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert one["label"].strip()
    assert one["helpText"].strip()
