"""Files of any format as raw blocks: one interface over the readers, pure but for the stream they are given."""

import codecs
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from schemas.errors import LoadError, LoadErrors
from schemas.sources import Format, Source
from transforms.parsing.avro import avro_fields, read_avro
from transforms.parsing.csv import Dialect, header_names, parse_csv_lines
from transforms.parsing.jsonl import parse_json_lines
from transforms.parsing.lines import LineBlock, read_lines
from transforms.parsing.parquet import parquet_schema, parquet_splits, read_parquet
from transforms.parsing.raw import POSITION, Parsed, Unreadable

SPLIT_BYTES = 64 << 20
"""Bytes of a line file that one reader takes."""

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


def raw_file(path: str, size: int, source: Source) -> RawFile:
    """Return a file with its format, from sources.yaml or its name.

    Raises:
        LoadErrors: the format is not known, or is compressed where it may not be.
    """
    ending = next((ending for ending in _COMPRESSIONS if path.endswith(ending)), "")
    inner = path.removesuffix(ending)
    found = source.config.format or next((kind for end, kind in _FORMATS.items() if inner.endswith(end)), None)
    if found is None:
        hint = f"name it .parquet, .avro, .jsonl or .csv, or give `{source.feed}` a `format` in sources.yaml"
        raise LoadErrors([LoadError(path, None, "the name does not tell the format", hint=hint)])
    if ending and found in ("parquet", "avro"):
        raise LoadErrors([LoadError(path, None, f"{found} compresses itself", hint=f"unpack it: {inner}")])
    return RawFile(path, size, found, _COMPRESSIONS.get(ending, ""))


def reading(source: Source, types: Mapping[str, pa.DataType], max_record_bytes: int) -> Reading:
    """Return what to read for a source."""
    config = source.config
    header = None if config.header is None else tuple(config.header)
    return Reading(types, config.delimiter, header, tuple(config.null_values), max_record_bytes)


def layout(open_file: Open, file: RawFile, what: Reading) -> Mapping[str, pa.DataType]:
    """Return the columns that a file has, with their types.

    Raises:
        Unreadable: the file cannot be read at all.
    """
    with closing(open_file()) as stream:
        if file.format == "parquet":
            return {field.name: field.type for field in parquet_schema(stream)}
        if file.format == "avro":
            return {field.name: field.arrow for field in avro_fields(stream)[1]}
        if file.format == "csv":
            if names := _csv_names(stream, what):
                return dict.fromkeys(names, pa.string())
            raise Unreadable("it is empty")
    return what.types


def splits(open_file: Open, file: RawFile, what: Reading) -> list[tuple[int, int | None]]:
    """Return the ranges that readers take of a file: row groups, or bytes; one range if it is compressed.

    Raises:
        Unreadable: the file cannot be read at all.
    """
    if file.format == "parquet":
        with closing(open_file()) as stream:
            return [*parquet_splits(stream, list(what.types))]
    if file.format == "avro":
        with closing(open_file()) as stream:
            avro_fields(stream)
    if file.compression:
        return [(0, None)]
    return [(start, min(start + SPLIT_BYTES, file.size)) for start in range(0, file.size, SPLIT_BYTES)]


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
            parts = _read_jsonl(stream, start, stop, what)
        for rows, rejected in parts:
            yield Parsed(_complete(rows, what.types), rejected)


def _read_jsonl(stream: BinaryIO, start: int, stop: int | None, what: Reading) -> Iterator[Parsed]:
    for block, rejected in read_lines(stream, start, stop, what.max_record_bytes):
        rows, malformed = parse_json_lines(block, what.types)
        yield Parsed(rows, [*rejected, *malformed])


def _read_csv(
    stream: BinaryIO, start: int, stop: int | None, what: Reading, names: tuple[str, ...]
) -> Iterator[Parsed]:
    dialect = Dialect(names, what.delimiter, what.null_values)
    wanted = [name for name in what.types if name in names]
    header = start == 0 and what.header is None
    for block, rejected in read_lines(stream, start, stop, what.max_record_bytes):
        lines = block
        if header and len(block):
            lines, header = _behind_first(block), False
        rows, malformed = parse_csv_lines(lines, dialect, wanted)
        yield Parsed(rows, [*rejected, *malformed])


def _behind_first(block: LineBlock) -> LineBlock:
    first = np.arange(len(block)) == 0
    return block.without(first, "header", "")[0]


def _csv_names(stream: BinaryIO, what: Reading) -> tuple[str, ...]:
    """Return the column names; empty if there is no line that could hold them."""
    if what.header is not None:
        return what.header
    lines = read_lines(stream, 0, None, what.max_record_bytes, chunk_bytes=1 << 16)
    first = next((block.lines()[0] for block, _ in lines if len(block)), b"")
    return header_names(first.removeprefix(codecs.BOM_UTF8), what.delimiter)


def _complete(rows: pa.RecordBatch, types: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    """Add the wanted columns that a file lacks, all null, before the positions."""
    missing = [name for name in types if name not in rows.schema.names]
    for name in missing:
        place = rows.schema.get_field_index(POSITION)
        rows = rows.add_column(place, pa.field(name, types[name]), pa.nulls(rows.num_rows, types[name]))
    return rows
