"""Text of others made safe to show: nothing in it moves a cursor, hides, turns round or begins a line."""

from collections.abc import Mapping
from typing import Any

MOST = 500
"""Characters that are shown of one long text."""


def visible(text: object) -> str:
    r"""Return a text as one line, with what is not printable escaped as Python does: `\x1b`, `\n`, `\u202e`."""
    shown = str(text)
    return shown if shown.isprintable() else "".join(map(_visible, shown))


def visible_lines(text: str) -> str:
    """Return lines of text, each made visible."""
    return "\n".join(map(visible, text.split("\n")))


def visible_values(value: Any) -> Any:
    """Return a value with all texts in it made visible, those in mappings and lists too."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible_values(key): visible_values(each) for key, each in value.items()}
    return [visible_values(each) for each in value] if isinstance(value, list | tuple) else value


def shortened(text: str, most: int = MOST) -> str:
    """Return a text of at most so many characters, and how many were left out of its middle."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} … {len(text) - 2 * half:,} characters … {text[-half:]}"


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
