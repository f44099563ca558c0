"""The columns of a file beside those that its source's map reads: what does not fit is told before anything is read."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from unicodedata import normalize

import pyarrow as pa

from schemas.errors import LoadError
from schemas.near_miss import near_miss
from schemas.sources import Source
from transforms.parsing.raw_types import column_of, field_texts

_DELIMITERS = ";,\t|"
_NO_NAME = re.compile(r"|[\W\d].*|\d*", re.DOTALL)


@dataclass(frozen=True)
class Layout:
    """The columns of one file.

    Attributes:
        columns: Names and types, in the file's order.
        whole: Whether these are all; otherwise some records may have others.
        header: Whether the first line of the file names them.
        nested: Those that hold objects.
    """

    columns: tuple[tuple[str, pa.DataType], ...]
    whole: bool = True
    header: bool = False
    nested: frozenset[str] = frozenset()

    @cached_property
    def types(self) -> Mapping[str, pa.DataType]:
        """Return the type of each column."""
        return dict(self.columns)


def misfits(source: Source, file: str, fields: Iterable[str], read: Iterable[str], layout: Layout) -> list[LoadError]:
    """Return why a file is not what its source's map reads.

    That is a column that the map reads and the file lacks, or has twice; without a map one that every signal needs, or
    that is there under a name much like it; and a column in `columns` that is nowhere.

    Args:
        source: What sources.yaml says.
        file: Its name.
        fields: The contract fields to make.
        read: The columns that they are made of.
        layout: The file's columns.
    """
    wanted = list(read)
    names = [name for name, _ in layout.columns]
    missing = [name for name in wanted if name not in layout.types and _needed(source, fields, name, layout)]
    typed = [name for name in source.config.columns if name not in {*wanted, *names}] if layout.whole else []
    twice = sorted({name for name in wanted if names.count(name) > 1})
    errors = [LoadError(file, None, f"has two columns `{name}`", hint="rename one of them") for name in twice]
    if missing:
        reason = "which every signal needs" if source.config.map is None else "which the map of sources.yaml reads"
        message = f"no column {_quoted(missing)}, {reason}"
        errors.append(LoadError(file, None, message, hint=_hint(source, missing, layout)))
    if typed and not missing:
        message = f"no column {_quoted(typed)}, which `{source.feed}.columns` gives a type"
        errors.append(LoadError(file, None, message, hint=_hint(source, typed, layout)))
    return errors


def _needed(source: Source, fields: Iterable[str], name: str, layout: Layout) -> bool:
    """Return whether a file that lacks a column is refused."""
    if alike(name, layout.types) or name.partition(".")[0] in layout.nested:
        return True
    if not layout.whole:
        return False
    if source.config.map is not None:
        return True
    required = {field for field in fields if source.field(field).required}
    return name in map(column_of, field_texts(source, required).values())


def alike(name: str, names: Iterable[str]) -> str | None:
    """Return which name is the same but for case, spaces, punctuation and how accents are written, or None."""
    return next((other for other in names if _bare(other) == _bare(name)), None)


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", normalize("NFC", name)).casefold()


def _hint(source: Source, missing: Sequence[str], layout: Layout) -> str:
    """Return what to do; a first line that may be data is not shown."""
    names = [name for name, _ in layout.columns]
    for name in missing:
        if (group := name.partition(".")[0]) in layout.nested:
            return f"`{group}` holds an object, and signals are flat: lift its fields up first, as `jq` does"
    if other := _delimiter(source, missing, names):
        return f"its header is delimited by `{other}`: say `delimiter: '{other}'` in an entry of sources.yaml for it"
    found = {name: same for name in missing if (same := alike(name, names))}
    if found:
        pairs = ", ".join(f"`{same}` for `{name}`" for name, same in found.items())
        return f"it has {pairs}: rename it, or give the file an entry of sources.yaml with a map of its own"
    if layout.header and not _is_known(source, names):
        shown = "" if source.private or any(map(_NO_NAME.fullmatch, names)) else f"; {near_miss(missing[0], names)}"
        return (
            "its first line is taken for the header: remove what stands before the header, or name the columns of a "
            f"file without one, as `header: [id, time, subject]` in sources.yaml{shown}"
        )
    return near_miss(missing[0], names)


def _delimiter(source: Source, missing: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the delimiter by which the header would have a missing column."""
    line = source.config.delimiter.join(names)
    return next((other for other in _DELIMITERS if {*missing} & {part.strip() for part in line.split(other)}), None)


def _is_known(source: Source, names: Sequence[str]) -> bool:
    """Return whether some names are known: then they are names, and not a row of data."""
    known = {*source.contract.by_name, *source.config.columns, *map(str, (source.config.map or {}).values())}
    return any(alike(name, known) for name in names if name)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
