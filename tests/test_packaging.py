"""The installed packages are ours, and the metadata names what is needed and no more."""

import subprocess
import sys
from importlib.metadata import distribution, entry_points, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAME = "segment-of-one"
PACKAGES = {"pipelines", "transforms", "schemas"}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_top_level_package_is_ours_alone(package: str) -> None:
    assert set(packages_distributions()[package]) == {NAME}


def test_nothing_else_is_installed_at_the_top_level() -> None:
    ours = {package for package, names in packages_distributions().items() if NAME in names}
    assert {package for package in ours if not package.startswith("__editable__")} == PACKAGES


def test_the_command_is_installed() -> None:
    (command,) = (each for each in entry_points(group="console_scripts") if each.name == "segone")
    assert command.dist is not None
    assert command.dist.name == NAME


def test_what_is_installed_has_the_playbook_of_the_demo(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "setup.py",
            "-q",
            "egg_info",
            "-e",
            str(tmp_path),
            "build",
            "-b",
            str(tmp_path),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    installed, written = tmp_path / "lib" / "pipelines" / "simulation", ROOT / "examples" / "fibre_town"
    for name in ("playbook.yaml", "tariffs.csv"):
        assert (installed / name).read_bytes() == (written / name).read_bytes()


def test_setup_py_holds_the_only_metadata() -> None:
    assert "[project]" not in (ROOT / "pyproject.toml").read_text()
    assert distribution(NAME).metadata["Requires-Python"] == ">=3.11"


def test_every_requirement_is_pinned_and_hashed() -> None:
    text = (ROOT / "deploy" / "requirements.txt").read_text().replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert [line for line in requirements if "==" not in line or "--hash=sha256:" not in line] == []


def test_requirements_name_no_host() -> None:
    assert "://" not in (ROOT / "deploy" / "requirements.txt").read_text()
