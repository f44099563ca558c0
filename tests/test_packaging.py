"""The installed packages are ours, and the metadata names what is needed and no more."""

import subprocess
import sys
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, distribution, entry_points, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

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
    assert SpecifierSet(distribution(NAME).metadata["Requires-Python"]) == SpecifierSet(">=3.11,<3.14")


LOCKS = ("requirements.txt", "uv.txt")


def pins(lock: str) -> list[str]:
    text = (ROOT / "deploy" / lock).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_and_hashed(lock: str) -> None:
    assert [line for line in pins(lock) if "==" not in line or "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_requirements_name_no_host(lock: str) -> None:
    assert "://" not in (ROOT / "deploy" / lock).read_text()


def test_extras_that_packages_want_are_pinned_as_extras() -> None:
    """Else pip in its hash mode takes `name[extra]` for unpinned as soon as a newer version is in the index."""
    pinned: dict[str, set[str]] = defaultdict(set)
    for pin in map(Requirement, (line.partition(" --hash")[0] for line in pins("requirements.txt"))):
        pinned[canonicalize_name(pin.name)] |= pin.extras
    wanted = {
        (canonicalize_name(need.name), extra)
        for name in pinned
        for need in needs(name, pinned[name])
        for extra in need.extras
    }
    assert sorted((name, extra) for name, extra in wanted if extra not in pinned[name]) == []


def needs(name: str, extras: set[str]) -> list[Requirement]:
    try:
        every = map(Requirement, distribution(name).requires or [])
    except PackageNotFoundError:  # of another platform or Python
        return []
    environments = [{"extra": extra} for extra in ("", *sorted(extras))]
    return [need for need in every if not need.marker or any(map(need.marker.evaluate, environments))]
