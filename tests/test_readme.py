"""The front is true: commands print what the README says, links lead somewhere, guarantees have their tests."""

import re
from pathlib import Path

import pytest

from tests.examples.commands import REPOSITORY, play, same, steps, workplace

README = REPOSITORY / "README.md"
LINKS = re.compile(r"\]\(([^)#:]+)\)")
CI_COMMANDS = ["make setup && make run", "make engines", "make check", "make test"]


def test_its_commands_print_what_it_says(tmp_path: Path) -> None:
    here = workplace(tmp_path)
    for command, printed in steps(README):
        assert same(play(command, here)) == same(printed), command


def test_it_begins_with_what_ci_runs() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text("utf-8")
    beside, *others = re.findall(r"^(make .*?)(?: &)?$", script, re.MULTILINE)
    assert [others[0], beside, *others[1:]] == CI_COMMANDS
    assert f"```bash\n{CI_COMMANDS[0]} " in README.read_text("utf-8")


def test_every_make_command_it_names_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert targets == {
        "help",
        "setup",
        "engines",
        "check",
        "test",
        "test-cases",
        "test-engines",
        "test-crashes",
        "run",
        "stream",
        "bench",
        "lock",
        "mutants",
    }
    assert set(re.findall(r"make ([a-z-]+)", README.read_text("utf-8"))) - {"everything"} <= targets


def test_make_run_is_its_first_example() -> None:
    (command, _), *_ = steps(README)
    assert f"$(BIN)/{command}" in (REPOSITORY / "Makefile").read_text("utf-8")


@pytest.mark.parametrize("page", [README, *sorted((REPOSITORY / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_its_links_lead_somewhere(page: Path) -> None:
    gone = [link for link in LINKS.findall(page.read_text("utf-8")) if not (page.parent / link).exists()]
    assert gone == []


def test_every_guarantee_names_tests_that_exist() -> None:
    file, gone = "", []
    for quoted in re.findall(r"`(\S*::test_\w+)`", (REPOSITORY / "docs" / "guarantees.md").read_text("utf-8")):
        named, _, test = quoted.partition("::")
        file = named or file
        if f"def {test}(" not in (REPOSITORY / file).read_text("utf-8"):
            gone.append(f"{file}::{test}")
    assert gone == []
