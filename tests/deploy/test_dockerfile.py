"""The Dockerfile builds from pinned images and files that are there, and runs as a user."""

import json
import re
from fnmatch import fnmatch

import pytest

from tests.deploy.files import DEPLOY, EXTRAS_TO_COME, PATHS_TO_COME, ROOT, pinned, stages

STAGES = stages()
ARGUMENTS = dict(rest.split("=", 1) for name, rest in STAGES[""] if name == "ARG")
TARGETS = {"segone": "10001", "dataflow": "0", "flink": "9999"}
COPIES = [(stage, rest) for stage, lines in STAGES.items() for name, rest in lines if name == "COPY"]


def test_every_image_is_pinned() -> None:
    assert [image for image in ARGUMENTS.values() if not pinned(image)] == []


@pytest.mark.parametrize(("image", "known"), [("python:3.11", True), ("python:latest", False), ("python", False)])
def test_what_is_pinned(image: str, known: bool) -> None:
    assert pinned(image) is known


@pytest.mark.parametrize("stage", sorted({*STAGES} - {""}))
def test_a_stage_comes_from_an_image_or_an_earlier_stage(stage: str) -> None:
    earlier = [*STAGES][: [*STAGES].index(stage)]
    source = STAGES[stage][0][1].partition(" AS ")[0]
    assert source in earlier or source.strip("${}") in ARGUMENTS


@pytest.mark.parametrize(("target", "user"), TARGETS.items())
def test_it_ends_as_a_user_by_number(target: str, user: str) -> None:
    assert [rest for name, rest in STAGES[target] if name == "USER"] == [user]


@pytest.mark.parametrize(("stage", "copied"), COPIES)
def test_what_is_copied_is_there(stage: str, copied: str) -> None:
    words = copied.split()
    if words[0].startswith("--from="):
        source = words[0].removeprefix("--from=")
        assert source in [*STAGES][: [*STAGES].index(stage)]
        return
    for path in words[:-1]:
        assert (ROOT / path).exists() or path in PATHS_TO_COME, path
        assert _sent(path), f"{path} is not in .dockerignore's exceptions"


def _sent(path: str) -> bool:
    """Tell whether a path is in the build context."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().split():
        pattern = line.removeprefix("!")
        if fnmatch(path, pattern) or path.startswith(f"{pattern}/"):
            sent = line.startswith("!")
    return sent


def test_the_context_has_what_is_copied_and_nothing_else() -> None:
    copied = {path for _, rest in COPIES if not rest.startswith("--from") for path in rest.split()[:-1]}
    first, *exceptions, last = (ROOT / ".dockerignore").read_text().split()
    assert (first, last) == ("*", "**/__pycache__")
    assert {line.removeprefix("!") for line in exceptions} == copied


def test_beam_is_the_version_that_is_locked() -> None:
    (locked,) = re.findall(r"^apache-beam\[gcp\]==(\S+)", (DEPLOY / "requirements.txt").read_text(), re.MULTILINE)
    assert ARGUMENTS["BEAM_IMAGE"] == f"apache/beam_python3.11_sdk:{locked}"
    assert ARGUMENTS["PYTHON_IMAGE"].startswith("python:3.11.")


def test_packages_are_installed_by_hash() -> None:
    installs = [part for _, rest in STAGES["build"] for part in rest.split("&&") if "pip install" in part]
    assert len(installs) == 4
    by_hash = [part for part in installs if "--require-hashes" in part or "--verify-hashes" in part]
    assert [part for part in installs if "--no-deps" not in part] == by_hash


def test_extras_are_there() -> None:
    (extras,) = (rest.partition("=")[2] for name, rest in STAGES["build"] if name == "ARG")
    known = {*re.findall(r'"(\w+)": \[', (ROOT / "setup.py").read_text()), *EXTRAS_TO_COME}
    assert {*extras.split(",")} <= known


@pytest.mark.parametrize("target", ["segone", "dataflow"])
def test_workers_start_with_beams_boot(target: str) -> None:
    (entry,) = (json.loads(rest) for name, rest in STAGES[target] if name == "ENTRYPOINT")
    assert entry[-1] == "/opt/apache/beam/boot"
    assert "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in dict(STAGES["segone"])["ENV"]
