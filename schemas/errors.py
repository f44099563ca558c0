"""Mistakes in files that people write, told all at once, with where they are and what to do."""

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
        """Return `file:line: message`, then the quoted text and the hint, each on its own line."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = [f"{where}: {self.message}"]
        parts += [f"    {self.quoted.strip()}"] if self.quoted.strip() else []
        parts += [f"    {self.hint}"] if self.hint else []
        return "\n".join(parts)


class LoadErrors(Exception):
    """Everything that is wrong with a file, in the order of its lines."""

    def __init__(self, errors: list[LoadError]) -> None:
        """Keep the errors sorted by file and line."""
        self.errors = tuple(sorted(errors, key=lambda error: (error.file, error.line or 0)))
        super().__init__(*self.errors)

    def __str__(self) -> str:
        """Return every error, a paragraph each."""
        return "\n".join(map(str, self.errors))
