"""Files of any format as raw blocks: one interface over the readers, pure but for the stream they are given."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

import pyarrow as pa

from schemas.errors import LoadError, LoadErrors
from schemas.sources import Format, Source
from transforms.parsing.avro import avro_fields, read_avro
from transforms.parsing.avro_schema import RECORD
from transforms.parsing.csv import Dialect, parse_csv_lines
from transforms.parsing.csv_records import Quoting
from transforms.parsing.head import check_text, read_header, sample_keys
from transforms.parsing.jsonl import parse_json_lines
from transforms.parsing.layouts import Layout
from transforms.parsing.lines import read_lines
from transforms.parsing.parquet import parquet_schema, parquet_splits, read_parquet
from transforms.parsing.raw import POSITION, Parsed, attempt_of

SPLIT_BYTES = 64 << 20
"""Bytes of a line file that one reader takes."""

_REACH = 2
"""A quote that is open for so many times the longest record is never closed."""

Open = Callable[[], BinaryIO]
"""Opens a file at its start, decompressed."""

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_FORMATS: dict[str, Format] = {
    ".parquet": "parquet",
    ".avro": "avro",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
}


@dataclass(frozen=True)
class RawFile:
    """A file of signals.

    Attributes:
        path: Any path that Beam opens.
        size: Bytes.
        format: What is in it.
        compression: `gzip`, `zstd` or empty.
    """

    path: str
    size: int
    format: Format
    compression: str


@dataclass(frozen=True)
class Reading:
    """What to read, whatever the format.

    Attributes:
        types: The wanted columns, with the types that text formats read them as.
        delimiter: Of CSV.
        header: Column names of CSV; None: the first line has them.
        null_values: Of CSV.
        max_record_bytes: Longer records are rejected.
    """

    types: Mapping[str, pa.DataType]
    delimiter: str
    header: tuple[str, ...] | None
    null_values: tuple[str, ...]
    max_record_bytes: int

    @property
    def quoting(self) -> Quoting:
        """How the fields of CSV are written."""
        return Quoting(self.delimiter, _REACH * self.max_record_bytes)


def raw_file(path: str, size: int, source: Source) -> RawFile:
    """Return a file with its format, from sources.yaml or its name.

    Raises:
        LoadErrors: the format is not known, or is compressed where it may not be.
    """
    name = path.lower()
    ending = next((ending for ending in _COMPRESSIONS if name.endswith(ending)), "")
    inner = name.removesuffix(ending)
    found = source.config.format or next((kind for end, kind in _FORMATS.items() if inner.endswith(end)), None)
    if found is None:
        hint = f"name it .parquet, .avro, .jsonl or .csv, or give `{source.feed}` a `format` in sources.yaml"
        raise LoadErrors([LoadError(path, None, "the name does not tell the format", hint=hint)])
    if ending and found in ("parquet", "avro"):
        raise LoadErrors([LoadError(path, None, f"{found} compresses itself", hint=f"unpack it: {path[: len(inner)]}")])
    return RawFile(path, size, found, _COMPRESSIONS.get(ending, ""))


def reading(source: Source, types: Mapping[str, pa.DataType], max_record_bytes: int) -> Reading:
    """Return what to read for a source."""
    config = source.config
    header = None if config.header is None else tuple(config.header)
    return Reading(types, config.delimiter, header, tuple(config.null_values), max_record_bytes)


def layout(open_file: Open, file: RawFile, what: Reading) -> Layout:
    """Return the columns that a file has, with their types.

    Raises:
        Unreadable: the file cannot be read at all.
    """
    if file.format in ("csv", "jsonl"):
        return _text_layout(open_file, file, what)
    with closing(open_file()) as stream:
        if file.format == "parquet":
            fields = list(parquet_schema(stream))
            nested = frozenset(field.name for field in fields if pa.types.is_struct(field.type))
            return Layout(tuple((field.name, field.type) for field in fields), nested=nested)
        kinds = {field.name: field.arrow for field in avro_fields(stream)[1]}
        nested = frozenset(name for name, kind in kinds.items() if pa.types.is_struct(kind) and kind[0].name == RECORD)
        return Layout(tuple(kinds.items()), nested=nested)


def _text_layout(open_file: Open, file: RawFile, what: Reading) -> Layout:
    """Return the columns of a text file that can be read: of JSON Lines those of the first records."""
    with closing(open_file()) as stream:
        check_text(stream, lines_only=file.format == "csv")
    with closing(open_file()) as stream:
        if file.format == "csv":
            return Layout(tuple((name, pa.string()) for name in _csv_names(stream, what)), header=what.header is None)
        keys = sample_keys(stream)
    columns = tuple((key, what.types.get(key, pa.string())) for key in keys)
    return Layout(columns, whole=False, nested=frozenset(key for key, nested in keys.items() if nested))


def splits(open_file: Open, file: RawFile, what: Reading) -> list[tuple[int, int | None]]:
    """Return the ranges that readers take of a file: row groups, or bytes; one range if it is compressed.

    Raises:
        Unreadable: the file cannot be read at all.
    """
    if file.format == "parquet":
        with closing(open_file()) as stream:
            return [*parquet_splits(stream, list(what.types))]
    layout(open_file, file, what)
    if file.compression:
        return [(0, None)]
    starts = list(range(0, file.size, SPLIT_BYTES))
    if file.format == "csv":
        with closing(open_file()) as stream:
            starts = [*starts[:1], *_certain_starts(stream, starts[1:], what.quoting)]
    return list(pairwise([*(start for start in starts if start < file.size), file.size]))


def _certain_starts(stream: BinaryIO, cuts: Sequence[int], quoting: Quoting) -> list[int]:
    """Return the first byte of a record soon behind each cut, if that can be told from what is around it."""
    found = set()
    for cut in cuts:
        stream.seek(cut - 1)
        data = stream.read(2 * quoting.reach)
        last = len(data) < 2 * quoting.reach
        first = data.find(b"\n") + 1
        if first and (last or len(data) - first > quoting.reach):
            start = quoting.certain_start(data[first:], last=last)
            found |= {cut - 1 + first + start} if start is not None else set()
    return sorted(found)


def read_split(open_file: Open, file: RawFile, start: int, stop: int | None, what: Reading) -> Iterator[Parsed]:
    """Read one range of a file.

    Yields:
        Raw blocks with the columns of `what.types` (null where the file lacks one) and what was rejected.
    """
    with closing(open_file()) as stream:
        if file.format == "parquet":
            parts = read_parquet(stream, start, stop or 0, list(what.types))
        elif file.format == "avro":
            parts = read_avro(stream, start, stop or 0, list(what.types))
        elif file.format == "csv":
            with closing(open_file()) as beginning:
                names = _csv_names(beginning, what)
            parts = _read_csv(stream, start, stop, what, names)
        else:
            parts = _read_jsonl(stream, start, stop, what, again=attempt_of(file.path) > 1)
        for rows, rejected in parts:
            yield Parsed(complete(rows, what.types), rejected)


def _read_jsonl(stream: BinaryIO, start: int, stop: int | None, what: Reading, *, again: bool) -> Iterator[Parsed]:
    for block, rejected in read_lines(stream, start, stop, what.max_record_bytes):
        rows, malformed = parse_json_lines(block, what.types, again=again)
        yield Parsed(rows, [*rejected, *malformed])


def _read_csv(
    stream: BinaryIO, start: int, stop: int | None, what: Reading, names: tuple[str, ...]
) -> Iterator[Parsed]:
    quoting = what.quoting
    dialect = Dialect(names, quoting, what.null_values)
    wanted = [name for name in what.types if name in names]
    header = start == 0 and what.header is None
    for block, rejected in read_lines(
        stream, start, stop, what.max_record_bytes, ends=quoting.record_ends, reach=quoting.reach
    ):
        lines = block
        if header and len(block):
            lines, header = block.behind(1), False
        rows, malformed = parse_csv_lines(lines, dialect, wanted)
        yield Parsed(rows, [*rejected, *malformed])


def _csv_names(stream: BinaryIO, what: Reading) -> tuple[str, ...]:
    """Return the column names; empty if there is no line that could hold them."""
    return what.header if what.header is not None else read_header(stream, what.quoting, what.max_record_bytes)


def complete(rows: pa.RecordBatch, types: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    """Add the wanted columns that a file lacks, all null, before the positions."""
    missing = [name for name in types if name not in rows.schema.names]
    for name in missing:
        place = rows.schema.get_field_index(POSITION)
        rows = rows.add_column(place, pa.field(name, types[name]), pa.nulls(rows.num_rows, types[name]))
    return rows
