"""Reference tables: small CSV files beside a playbook, looked up by a field of the profile."""

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO

from schemas.errors import LoadError, LoadErrors

MAX_BYTES = 4 * 1024 * 1024
MAX_COLUMNS = 500

Cell = str | int | float | bool | None

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TRUTH = {"true": True, "false": False}
_TYPES: tuple[tuple[str, re.Pattern[str], Callable[[str], Cell]], ...] = (
    ("boolean", re.compile("true|false", re.IGNORECASE), lambda text: _TRUTH[text.lower()]),
    ("long", re.compile(r"-?(0|[1-9][0-9]{0,17})"), int),
    ("double", re.compile(r"-?(0|[1-9][0-9]{0,99})(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?"), float),
    ("string", re.compile(r".*", re.DOTALL), str),
)
"""Types of columns, the narrowest first: name as in contracts, what all values look like, what they are."""


@dataclass(frozen=True)
class ReferenceTable:
    """The content of a table.

    Attributes:
        keys: The column that is looked up, as text; no value is there twice.
        columns: The other columns, in the order of the file; an empty cell is None.
        types: Type of each of them: boolean, long, double or string.
        version: Hash of the content.
    """

    keys: tuple[str, ...]
    columns: Mapping[str, tuple[Cell, ...]]
    types: Mapping[str, str]
    version: str


def parse_table(content: bytes, file: str, key: str) -> ReferenceTable:
    """Read a table from CSV with a header, in UTF-8; a column is of the narrowest type that fits all its values.

    Args:
        content: The file's.
        file: Its name, for errors.
        key: The column that is looked up.

    Raises:
        LoadErrors: all mistakes: the file is empty, columns without a proper name, there twice or too many, no column
            `key`, rows of another length, keys that are empty or there twice.
    """
    reader = csv.reader(StringIO(_text(content, file), newline=""), strict=True)
    try:
        lines = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise LoadErrors([LoadError(file, reader.line_num, f"is not CSV: {error}")]) from error
    if not lines:
        raise LoadErrors([LoadError(file, None, "is empty", hint=f"begin with the names of columns, `{key}` first")])
    header = lines[0][1]
    if errors := [LoadError(file, *mistake) for mistake in _mistakes(header, lines[1:], key)]:
        raise LoadErrors(errors)
    cells = dict(zip(header, zip(*(row for _, row in lines[1:]), strict=True), strict=False))
    keys = cells.pop(key, ())
    typed = {name: _typed(cells.get(name, ())) for name in header if name != key}
    said = json.dumps([keys, {name: values for name, (_, values) in typed.items()}])
    return ReferenceTable(
        keys=keys,
        columns={name: values for name, (_, values) in typed.items()},
        types={name: type_ for name, (type_, _) in typed.items()},
        version=hashlib.blake2b(said.encode(), digest_size=8).hexdigest(),
    )


def _text(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LoadErrors([LoadError(file, None, "is not UTF-8")]) from error


def _mistakes(header: list[str], rows: list[tuple[int, list[str]]], key: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield line, message, quoted text and hint of each mistake."""
    shown, seen = ",".join(header), dict[str, int]()
    if len(header) > MAX_COLUMNS:
        yield 1, f"has {len(header):,} columns", shown, f"keep {MAX_COLUMNS:,} of them"
        return
    for name in dict.fromkeys(header):
        if not _NAME.fullmatch(name) or name == "version":
            hint = "use small letters, digits and `_`; `version` is the version of the table"
            yield 1, f"`{name}` cannot be the name of a column", shown, hint
        if header.count(name) > 1:
            yield 1, f"column `{name}` is there twice", shown, ""
    if key not in header:
        yield 1, f"has no column `{key}`, its key", shown, f"name one `{key}`, after the field of the profile"
        return
    for line, row in rows:
        if len(row) != len(header):
            yield line, f"has {len(row)} values for {len(header)} columns", ",".join(row), ""
            continue
        value = row[header.index(key)]
        if not value or value in seen:
            told = f"`{value}` is in line {seen[value]} already" if value else "is empty"
            yield line, f"the key {told}", ",".join(row), "give each value one row"
        seen.setdefault(value, line)


def _typed(texts: tuple[str, ...]) -> tuple[str, tuple[Cell, ...]]:
    """Return the type of a column and its values."""
    known = [text for text in texts if text]
    name, _, value = next(one for one in _TYPES if known or one[0] == "string" if all(map(one[1].fullmatch, known)))
    return name, tuple(value(text) if text else None for text in texts)
