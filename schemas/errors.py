"""Mistakes in files that people write, told all at once, with where they are and what to do."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class LoadError:
    """One mistake in one file.

    Attributes:
        file: The file's name as the user gave it.
        line: The line, counted from 1, or None where the whole file is meant.
        message: What is wrong, naming the field.
        quoted: The line or expression in question.
        hint: What to do, for example the near miss.
    """

    file: str
    line: int | None
    message: str
    quoted: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """Return `file:line: message`, then the quoted text and the hint, each on its own line; long values are cut."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = [f"{where}: {_cut(self.message)}"]
        parts += [f"    {_cut(self.quoted.strip())}"] if self.quoted.strip() else []
        parts += [f"    {_cut(self.hint)}"] if self.hint else []
        return "\n".join(parts)


MOST_TOLD = 50
"""Of so many mistakes each is told; of more, how many there are besides."""

_LONG = re.compile("`([^`]{120})[^`]{40,}`")


def _cut(text: str) -> str:
    """Return a text with its long values cut: those in backticks, and lines as a whole."""
    text = _LONG.sub(r"`\1…`", text)
    return text if len(text) <= 600 else f"{text[:600]}…"


class LoadErrors(Exception):
    """Everything that is wrong with a file, in the order of its lines."""

    def __init__(self, errors: list[LoadError]) -> None:
        """Keep the errors sorted by file and line."""
        self.errors = tuple(sorted(errors, key=lambda error: (error.file, error.line or 0)))
        super().__init__(*self.errors)

    def __str__(self) -> str:
        """Return the errors, a paragraph each."""
        more = len(self.errors) - MOST_TOLD
        told = [*map(str, self.errors[:MOST_TOLD]), *([f"and {more:,} more mistakes"] if more > 0 else [])]
        return "\n".join(told)
