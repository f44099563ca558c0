"""The files of deploy/ as data, and what they may name."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipelines.settings import RunSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

FLAGS_TO_COME = {"--publish", "--state-in", "--state-out"}
"""Flags of streams (docs/decisions/0049-streams.md) that `segone run` does not have yet."""

PATHS_TO_COME = {"deploy/engines"}
EXTRAS_TO_COME = {"streams"}

OURS_OF_BEAM = {
    "--job_name",
    "--job_endpoint",
    "--artifact_endpoint",
    "--environment_type",
    "--environment_config",
    "--experiments",
}
"""Options of Beam that are given after `--`."""


def run_flags() -> set[str]:
    """Return the flags of `segone run`."""
    flags = {field.metadata["flag"] for field in fields(RunSettings)}
    return {flag for flag in flags if flag.startswith("--")} | FLAGS_TO_COME


def documents(path: str) -> list[Any]:
    """Return the documents of a file of YAML."""
    return list(YAML(typ="safe").load_all((ROOT / path).read_text("utf-8")))


def run_of(words: list[str]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the flags of a call of `segone run` with their values, and the options of Beam."""
    after = words[words.index("run") + 1 :]
    cut = after.index("--") if "--" in after else len(after)
    flags: dict[str, list[str]] = {}
    for word in after[:cut]:
        if word.startswith("--"):
            name, _, value = word.partition("=")
            flags.setdefault(name, []).append(value)
    beam = dict(word.partition("=")[::2] for word in after[cut + 1 :])
    return flags, beam


def instructions(path: str = "deploy/Dockerfile") -> Iterator[tuple[str, str]]:
    """Give the instructions of a Dockerfile, each in one line."""
    text = (ROOT / path).read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            yield name, re.sub(r"\s+", " ", rest).strip()


def stages() -> dict[str, list[tuple[str, str]]]:
    """Return the instructions of each stage of our Dockerfile; those before the first are of ``."""
    found: dict[str, list[tuple[str, str]]] = {"": []}
    name = ""
    for instruction, rest in instructions():
        if instruction == "FROM":
            name = rest.partition(" AS ")[2]
            found[name] = []
        found[name].append((instruction, rest))
    return found


def pinned(image: str) -> bool:
    """Tell whether an image has a tag that says a version, or a digest."""
    tag = image.rpartition("/")[2].partition(":")[2]
    return "@sha256:" in image or bool(re.search(r"\d", tag))
