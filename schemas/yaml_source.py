"""YAML 1.2 files that people write, read to plain data that remembers its lines."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from schemas.errors import LoadError, LoadErrors
from schemas.files import read_file

MAX_BYTES = 256 * 1024
MAX_NESTING = 20
MAX_VALUES = 20_000
"""Values after aliases are followed, so that a few aliases cannot unfold into millions of values."""

KeyPath = tuple[str | int, ...]

_FIXED: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class YamlSource:
    """A YAML file as plain data, with the line of every value.

    Attributes:
        file: The file's name as the user gave it.
        text: The whole text.
        data: Dicts with string keys, lists, str, int, float, bool and None.
        lines: Path of keys and indexes to the line of the key or item, counted from 1.
        given: Path of a top-level key to the option that gave its value, where the file did not.
    """

    file: str = field(compare=False)
    text: str = field(compare=False, repr=False)
    data: Any
    lines: Mapping[KeyPath, int] = field(compare=False, repr=False)
    given: Mapping[KeyPath, str] = field(default_factory=dict, compare=False, repr=False)

    def line_of(self, path: KeyPath) -> int:
        """Return the line of the value at `path`, else of the nearest value around it."""
        return next(self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines)

    def quote(self, line: int) -> str:
        """Return the text of a line, without its indentation."""
        return _LINE_BREAK.split(self.text)[line - 1].strip()

    def part(self, key: str, data: Any) -> "YamlSource":
        """Return what stands below a key as a file of its own, its data replaced; lines stay those of the file."""
        lines = {path[1:]: line for path, line in self.lines.items() if path[:1] == (key,)}
        return YamlSource(self.file, self.text, data, lines)

    def error(self, path: KeyPath, message: str, quoted: str = "", hint: str = "") -> LoadError:
        """Return the mistake at `path`, quoting its line, or the option that gave it, unless an expression is given."""
        if path in self.given:
            return LoadError(self.given[path], None, message, quoted or str(self.data[path[0]]), hint)
        line = self.line_of(path)
        return LoadError(self.file, line, message, quoted or self.quote(line), hint)


def read_yaml(path: str | Path) -> YamlSource:
    """Read a YAML file.

    Raises:
        LoadErrors: the file cannot be read, is not UTF-8, or `parse_yaml` refuses it.
    """
    file = str(path)
    try:
        return parse_yaml(read_file(path, MAX_BYTES).decode("utf-8-sig"), file)
    except OSError as error:
        raise LoadErrors([LoadError(file, None, f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise LoadErrors([LoadError(file, line, "is not UTF-8 text", hint="save the file as UTF-8")]) from error


def parse_yaml(text: str, file: str) -> YamlSource:
    """Parse one YAML 1.2 document.

    Scalars follow the JSON-like core of YAML 1.2: `on`, `NO`, `22:00`, dates, hexadecimal, infinite and
    over-long numbers are strings. Keys are always strings.

    Args:
        text: The document.
        file: The name that errors give it.

    Raises:
        LoadErrors: malformed or empty, duplicate keys (all at once), tags, more than one document, or a limit
            on size, nesting or number of values is exceeded.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise LoadErrors([LoadError(file, None, f"is longer than {MAX_BYTES // 1024} KiB")])
    reader = _Reader(file, text)
    try:
        data = reader.document()
    except YAMLError as error:
        raise LoadErrors([_syntax_error(file, text, error)]) from error
    except (ValueError, OverflowError) as error:  # an escape beyond Unicode
        raise LoadErrors([LoadError(file, None, f"is not valid YAML: {error}")]) from error
    if reader.errors:
        raise LoadErrors(reader.errors)
    return YamlSource(file, text, data, reader.lines)


def plain_scalar(text: str) -> Any:
    """Return the value of an unquoted scalar: None, bool, int, float or the text itself."""
    if text in _FIXED:
        return _FIXED[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _syntax_error(file: str, text: str, error: YAMLError) -> LoadError:
    """Turn a parser's complaint into one of ours."""
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    lines = _LINE_BREAK.split(text)
    line = mark.line + 1 if mark is not None else None
    problem = (error.problem if isinstance(error, MarkedYAMLError) else "") or str(error)
    quoted = "".join(lines[line - 1 : line]) if line is not None else ""
    indent = quoted[: len(quoted) - len(quoted.lstrip())]
    hint = "put text that holds `: `, ` #`, `,` or a bracket in quotes" if mark is not None else ""
    hint = "indent with spaces: a tab is none" if "\t" in indent else hint
    return LoadError(file, line, f"is not valid YAML: {' '.join(problem.split())}", quoted, hint)


class _Reader:
    """Builds plain data from the parser's events, within the limits."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.quotes = _LINE_BREAK.split(text)
        self.lines: dict[KeyPath, int] = {(): 1}
        self.errors: list[LoadError] = []
        self._events: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0

    def document(self) -> Any:
        """Return the data of the only document."""
        event = self._next(StreamStartEvent)
        event = next(self._events)
        if isinstance(event, StreamEndEvent):
            raise LoadErrors([LoadError(self.file, None, "is empty")])
        if isinstance(event, DocumentStartEvent) and (event.version or event.tags):
            raise self._refusal(event, "starts with a `%` directive", "leave it out: files are YAML 1.2")
        data = self._value(next(self._events), ())
        self._next(DocumentEndEvent)
        event = next(self._events)
        if isinstance(event, DocumentStartEvent):
            raise self._refusal(event, "has a second document", "keep one document in a file")
        return data

    def _next(self, kind: type[Event]) -> Event:
        event = next(self._events)
        assert isinstance(event, kind)
        return event

    def _value(self, event: Event, path: KeyPath) -> Any:
        """Return the value that starts with `event`."""
        if isinstance(event, AliasEvent):
            return self._alias(event)
        assert isinstance(event, NodeEvent)
        self._refuse_tag(event)
        before = self._values
        self._count(event, 1)
        if len(path) > MAX_NESTING:
            raise self._refusal(event, f"is nested deeper than {MAX_NESTING} levels")
        value = self._content(event, path)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._values - before)
        return value

    def _content(self, event: Event, path: KeyPath) -> Any:
        if isinstance(event, ScalarEvent):
            text = self._text(event)
            return plain_scalar(text) if event.style is None else text
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        return self._mapping(path)

    def _sequence(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            here = (*path, len(items))
            self.lines[here] = event.start_mark.line + 1
            items.append(self._value(event, here))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                raise self._refusal(event, "has a key that is not a plain word")
            self._refuse_tag(event)
            key = self._text(event)
            here = (*path, key)
            if key in found:
                self.errors.append(self._error(event, f"`{key}` is there already, on line {self.lines[here]}"))
            self.lines.setdefault(here, event.start_mark.line + 1)
            found.setdefault(key, self._value(next(self._events), here))
        return found

    def _text(self, event: ScalarEvent) -> str:
        text: str = event.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise self._refusal(event, "has half a character (a lone surrogate)")
        return text

    def _refuse_tag(self, event: NodeEvent) -> None:
        if tag := getattr(event, "tag", None):
            raise self._refusal(event, f"has the tag `{tag}`", "leave tags out")

    def _alias(self, event: AliasEvent) -> Any:
        if event.anchor not in self._anchors:
            raise self._refusal(event, f"refers to `*{event.anchor}`, which is not defined before it")
        value, size = self._anchors[event.anchor]
        self._count(event, size)
        return value

    def _count(self, event: Event, size: int) -> None:
        self._values += size
        if self._values > MAX_VALUES:
            raise self._refusal(event, f"has more than {MAX_VALUES:,} values", "write fewer aliases")

    def _error(self, event: Event, message: str, hint: str = "") -> LoadError:
        line = event.start_mark.line + 1
        return LoadError(self.file, line, message, self.quotes[line - 1], hint)

    def _refusal(self, event: Event, message: str, hint: str = "") -> LoadErrors:
        return LoadErrors([*self.errors, self._error(event, message, hint)])
