"""CSV to raw blocks of text columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pc

from transforms.parsing.csv_records import Quoting
from transforms.parsing.fallback import parse_lines
from transforms.parsing.line_block import LineBlock
from transforms.parsing.raw import Parsed, Rejection, raw_block


@dataclass(frozen=True)
class Dialect:
    """How the records are written.

    Attributes:
        names: Of all columns, in their order in the file.
        quoting: Delimiter and quotes.
        null_values: Texts that mean null.
    """

    names: tuple[str, ...]
    quoting: Quoting
    null_values: tuple[str, ...]


def parse_csv_lines(block: LineBlock, dialect: Dialect, wanted: Sequence[str]) -> Parsed:
    """Split records into fields.

    Args:
        block: UTF-8 records, as `Quoting.record_ends` tells them apart.
        dialect: How they are written.
        wanted: The columns to return, of `dialect.names`.

    Returns:
        String columns, one row for each good record; the rest is rejected as `malformed_csv`.
    """
    return parse_lines(block, lambda part: _fast(part, dialect, wanted), lambda part: _slow(part, dialect, wanted))


def _fast(block: LineBlock, dialect: Dialect, wanted: Sequence[str]) -> pa.RecordBatch | None:
    """Return all records as rows, or None unless pyarrow reads one row from each."""
    if block.data.count(b"\r") != block.data.count(b"\r\n"):
        return None  # pyarrow takes a lone carriage return for the end of a line
    if b'"' in block.data and not (block.regular or dialect.quoting.regular(block.data, block.stops)):
        return None  # pyarrow takes quotes for text that stand where none may, and closes the last one
    read = pc.ReadOptions(column_names=list(dialect.names), block_size=len(block.data) + 1)
    parse = pc.ParseOptions(delimiter=dialect.quoting.delimiter, newlines_in_values=not block.regular)
    convert = pc.ConvertOptions(
        column_types=dict.fromkeys(wanted, pa.string()),
        include_columns=list(wanted),
        strings_can_be_null=True,
        null_values=list(dialect.null_values),
        check_utf8=False,
    )
    try:
        table = pc.read_csv(pa.py_buffer(block.data), read, parse, convert_options=convert)
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(block):
        return None
    columns = [table.column(name).combine_chunks() for name in wanted]
    return raw_block(columns, wanted, block.positions, block.unit)


def _slow(block: LineBlock, dialect: Dialect, wanted: Sequence[str]) -> Parsed:
    """Split record by record: the judge of what is wrong with which."""
    nulls = frozenset(dialect.null_values)
    good: list[int] = []
    rows: list[list[str]] = []
    rejections: list[Rejection] = []
    for row, line in enumerate(block.lines()):
        record = line.decode()
        fields = dialect.quoting.fields(record)
        if fields is not None and len(fields) == len(dialect.names):
            rows.append(fields)
            good.append(row)
        else:
            rejections.append(block.reject(row, "malformed_csv", _wrong(record, fields, dialect)))
    indexes = [dialect.names.index(name) for name in wanted]
    columns = [pa.array([None if fields[i] in nulls else fields[i] for fields in rows], pa.string()) for i in indexes]
    return Parsed(raw_block(columns, wanted, block.positions[good], block.unit), rejections)


def _wrong(record: str, fields: Sequence[str] | None, dialect: Dialect) -> str:
    """Return what is wrong with a record, without its values."""
    if fields is not None:
        found = f"{len(fields)} {'field' if len(fields) == 1 else 'fields'}"
        return f"{found} where {len(dialect.names)} are expected: a delimiter within a field needs quotes around it"
    if '"' not in record:
        return "a carriage return within a line, and no quotes around it"
    return (
        "a quote that is not closed, or closes nothing: quotes go around whole fields, "
        f"without spaces, within {dialect.quoting.reach} bytes; one that is text is doubled there"
    )
