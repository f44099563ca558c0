"""Commands, flags and files that deploy/ names in its pages and scripts are there."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pipelines.cli import app
from tests.deploy.files import DEPLOY, ROOT, documents, run_flags

README, ACCEPTANCE = DEPLOY / "README.md", DEPLOY / "dataflow" / "acceptance.sh"
LINKS = re.compile(r"\]\(([^)#:]+)\)")
CALLS = re.compile(r"^\s*segone (\w+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


def commands() -> dict[str, set[str]]:
    """Return the flags of each command."""
    group = typer.main.get_command(app)
    named = vars(group)["commands"]
    flags = {name: {opt for each in command.params for opt in each.opts} for name, command in named.items()}
    return flags | {"run": flags["run"] | run_flags()}


@pytest.mark.parametrize("page", [README, ACCEPTANCE], ids=lambda page: page.name)
def test_commands_have_the_flags_that_are_named(page: Path) -> None:
    calls = CALLS.findall(page.read_text("utf-8"))
    assert calls
    for command, rest in calls:
        flags = {*re.findall(r"(?<!\S)(--[a-z][\w-]*)", rest.partition(" -- ")[0])}
        assert flags <= commands()[command], command


def test_flags_in_the_text_are_of_some_command() -> None:
    text = re.sub(r"```.*?```", "", README.read_text("utf-8"), flags=re.DOTALL)
    named = {*re.findall(r"`(--[a-z][a-z-]+)[=` ]", text)}
    assert named - {"--profile", "--build-arg"} <= run_flags()


def test_commands_in_the_text_are_there() -> None:
    named = {*re.findall(r"`segone ([a-z-]+)", README.read_text("utf-8"))}
    assert named <= {*commands()}


def test_links_lead_somewhere() -> None:
    links = LINKS.findall(README.read_text("utf-8"))
    assert [link for link in links if not (DEPLOY / link).exists()] == []


def test_the_acceptance_script_is_a_script() -> None:
    subprocess.run(["bash", "-n", ACCEPTANCE], check=True)
    assert ACCEPTANCE.stat().st_mode & 0o111
    for within in re.findall(r"<<'PYTHON'\n(.*?)\nPYTHON\n", ACCEPTANCE.read_text("utf-8"), re.DOTALL):
        compile(within, str(ACCEPTANCE), "exec")


def test_alerts_in_the_page_are_yaml(tmp_path: Path) -> None:
    (alerts,) = re.findall(r"```yaml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (tmp_path / "alerts.yaml").write_text(alerts)
    (found,) = documents(str(tmp_path / "alerts.yaml"))
    assert [each["alert"] for each in found] == [
        "SegoneLags",
        "SegoneRejects",
        "SegoneFeedRejects",
        "SegoneSilent",
    ]


def test_panels_do_not_overlap() -> None:
    panels = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]
    places = [(panel["gridPos"], panel["title"]) for panel in panels]
    cells = [(place["x"], place["y"]) for place, _ in places]
    assert len({*cells}) == len(cells)
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(place["x"] + place["w"] <= 24 for place, _ in places)


def test_the_launcher_passes_parameters_on() -> None:
    code = (
        "import sys; sys.path.insert(0, 'deploy/dataflow'); sys.argv = ['launch.py', '--playbook=none.yaml',"
        "'--signals=usage=x', '--out=out', '--runner=DataflowRunner', '--project=p',"
        "'--region=r', '--temp_location=gs://b/t'];"
        "import runpy; runpy.run_path('deploy/dataflow/launch.py', run_name='__main__')"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert told.returncode == 1
    assert "none.yaml" in told.stderr


def test_without_the_name_of_a_secret_a_program_starts_as_it_is() -> None:
    started = [sys.executable, DEPLOY / "dataflow" / "with_key.py", sys.executable, "-c", "print('boot')", "--id=1"]
    assert subprocess.run(started, check=True, capture_output=True, text=True, cwd=ROOT).stdout == "boot\n"
