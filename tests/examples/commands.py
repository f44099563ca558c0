"""Plays the commands of a README. As a program: puts what they print now into the README of each example."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

REPOSITORY = Path(__file__).parents[2]
SHARED = Path(os.environ.get("SEGONE_SHARED", REPOSITORY.parent / "shared"))
BLOCK = re.compile(r"^```console\n\$ (.*?(?:\\\n.*?)*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SECONDS = re.compile(r"\d+\.\d s")


def steps(readme: Path) -> Iterator[tuple[str, str]]:
    """Yield each command of a README's console blocks, and what it prints."""
    for block in BLOCK.finditer(readme.read_text("utf-8")):
        yield block[1], block[2]


def workplace(folder: Path) -> Path:
    """Make a folder in which the commands find what they name: `segone`, `python`, examples and shared data."""
    here = folder / "here"
    (here / "bin").mkdir(parents=True)
    (here / "examples").symlink_to(REPOSITORY / "examples")
    (folder / "shared").symlink_to(SHARED)
    for name, command in {"segone": "-m pipelines", "python": ""}.items():
        script = here / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        script.chmod(0o755)
    return here


def play(command: str, here: Path) -> str:
    """Run a command and return what it prints."""
    path = f"{here / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(["sh", "-c", command], cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refresh(readme: Path, here: Path) -> None:
    """Put what each command prints into the README."""
    text = readme.read_text("utf-8")
    for command, before in steps(readme):
        text = text.replace(f"$ {command}\n{before}```", f"$ {command}\n{play(command, here)}```")
    readme.write_text(text, "utf-8")


def same(printed: str) -> str:
    """Return what must be the same each time: all but how long it took."""
    return SECONDS.sub("N s", printed)


if __name__ == "__main__":
    for found in sorted((REPOSITORY / "examples").glob("*/README.md")):
        with TemporaryDirectory() as folder:
            refresh(found, workplace(Path(folder)))
