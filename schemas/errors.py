"""Mistakes in files that people write, told all at once, with where they are and what to do."""

import re
from dataclasses import dataclass

from schemas.visible import shortened, visible

MOST_ERRORS = 100
"""How many mistakes are told at once."""

_LONG = re.compile("`([^`]{120})[^`]{40,}`")


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
        """Return `file:line: message`, then the quoted text and the hint, each on its own line, long ones cut."""
        where = _told(self.file) if self.line is None else f"{_told(self.file)}:{self.line}"
        parts = [
            f"{where}: {_told(self.message)}",
            *(f"    {_told(each)}" for each in (self.quoted, self.hint) if each),
        ]
        return "\n".join(part for part in parts if part.strip())


class LoadErrors(Exception):
    """Everything that is wrong with a file, in the order of its lines."""

    def __init__(self, errors: list[LoadError]) -> None:
        """Keep the errors sorted by file and line."""
        self.errors = tuple(sorted(errors, key=lambda error: (error.file, error.line or 0)))
        super().__init__(*self.errors)

    def __str__(self) -> str:
        """Return every error, a paragraph each; of very many the first."""
        more = len(self.errors) - MOST_ERRORS
        return "\n".join(
            [*map(str, self.errors[:MOST_ERRORS]), *([f"… and {more:,} more mistakes"] if more > 0 else [])]
        )


def _told(text: str) -> str:
    """Return a text to show, its long values cut: those in backticks, and the whole."""
    return visible(shortened(_LONG.sub(r"`\1…`", text.strip())))
