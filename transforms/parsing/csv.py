"""CSV to raw blocks of text columns, one record a line."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pc

from transforms.parsing.fallback import parse_lines
from transforms.parsing.lines import LineBlock
from transforms.parsing.raw import Parsed, Rejection, raw_block


@dataclass(frozen=True)
class Dialect:
    """How the lines are written.

    Attributes:
        names: Of all columns, in their order in the file.
        delimiter: Between two fields.
        null_values: Texts that mean null.
    """

    names: tuple[str, ...]
    delimiter: str
    null_values: tuple[str, ...]


def parse_csv_lines(block: LineBlock, dialect: Dialect, wanted: Sequence[str]) -> Parsed:
    """Split lines into fields.

    A record is one line: a line break within quotes is refused, so that any line can start a range.

    Args:
        block: UTF-8 lines.
        dialect: How they are written.
        wanted: The columns to return, of `dialect.names`.

    Returns:
        String columns, one row for each good line; the rest is rejected as `malformed_csv`.
    """
    return parse_lines(block, lambda part: _fast(part, dialect, wanted), lambda part: _slow(part, dialect, wanted))


def header_names(line: bytes, delimiter: str) -> tuple[str, ...]:
    """Return the column names of a header line."""
    return tuple(name.strip() for name in next(csv.reader([line.decode("utf-8", "replace")], delimiter=delimiter)))


def _fast(block: LineBlock, dialect: Dialect, wanted: Sequence[str]) -> pa.RecordBatch | None:
    """Return all lines as rows, or None unless pyarrow reads one row from each line."""
    if block.data.count(b"\r") != block.data.count(b"\r\n"):
        return None  # pyarrow takes a lone carriage return for the end of a line
    last = block.data[block.starts[-1] : block.stops[-1]]
    if b'"' in last and _fields(last.decode(), dialect) is None:
        return None  # pyarrow closes a quote that is open at the end
    read = pc.ReadOptions(column_names=list(dialect.names), block_size=len(block.data) + 1)
    convert = pc.ConvertOptions(
        column_types=dict.fromkeys(wanted, pa.string()),
        include_columns=list(wanted),
        strings_can_be_null=True,
        null_values=list(dialect.null_values),
        check_utf8=False,
    )
    try:
        table = pc.read_csv(
            pa.py_buffer(block.data), read, pc.ParseOptions(delimiter=dialect.delimiter), convert_options=convert
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(block):
        return None
    columns = [table.column(name).combine_chunks() for name in wanted]
    return raw_block(columns, wanted, block.positions, block.unit)


def _slow(block: LineBlock, dialect: Dialect, wanted: Sequence[str]) -> Parsed:
    """Split line by line: the judge of what is wrong with which line."""
    nulls = frozenset(dialect.null_values)
    good: list[int] = []
    rows: list[list[str]] = []
    rejections: list[Rejection] = []
    for row, line in enumerate(block.lines()):
        fields = _fields(line.decode(), dialect)
        if fields is not None and len(fields) == len(dialect.names):
            rows.append(fields)
            good.append(row)
        else:
            found = "an open quote or a stray line break" if fields is None else f"{len(fields)} fields"
            message = f"{found} where {len(dialect.names)} fields are expected"
            rejections.append(block.reject(row, "malformed_csv", message))
    indexes = [dialect.names.index(name) for name in wanted]
    columns = [pa.array([None if fields[i] in nulls else fields[i] for fields in rows], pa.string()) for i in indexes]
    return Parsed(raw_block(columns, wanted, block.positions[good], block.unit), rejections)


def _fields(line: str, dialect: Dialect) -> list[str] | None:
    """Return the fields of one line, or None if a quote stays open or a bare line break is in it."""
    limit = csv.field_size_limit(len(line) + 1)
    reader = csv.reader([line, ""], delimiter=dialect.delimiter)
    try:
        fields = next(reader)
    except csv.Error:
        return None
    finally:
        csv.field_size_limit(limit)
    return fields if reader.line_num == 1 else None
