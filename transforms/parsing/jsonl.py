"""JSON Lines to raw blocks: pyarrow for a block that is in order, msgspec line by line for one that is not."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from schemas.records import INSTANT
from transforms.parsing.casts import Cast, cast
from transforms.parsing.fallback import parse_lines
from transforms.parsing.line_block import LineBlock
from transforms.parsing.misfit import misfit
from transforms.parsing.problems import Problems
from transforms.parsing.raw import Bools, Parsed, Rejection, raw_block

MAX_BRACKETS = 256
"""Opening brackets in one record: signals are flat, and parsers recurse."""

_BRACE, _BRACKET = ord("{"), ord("[")
_SECOND_VALUE = re.compile(rb"}[ \t\r]*[^\s,\]}]")
_NO_NUMBER = re.compile(rb"[\s:,\[-](?:NaN|Inf)")
_UNLIKE_FIELDS = re.compile(r'["\\\x00-\x1f]')
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: dict[pa.DataType, Any] = {
    pa.string(): str,
    pa.float64(): float,
    pa.bool_(): bool,
    pa.int64(): _INT64,
    INSTANT: _INT64 | str,
}
_TYPES_AGAIN: dict[pa.DataType, Any] = {
    pa.string(): str | int | bool,
    pa.float64(): float | str,
    pa.bool_(): bool | str,
    pa.int64(): int | float | str,
    INSTANT: int | float | str,
}


def parse_json_lines(block: LineBlock, types: Mapping[str, pa.DataType], *, again: bool = False) -> Parsed:
    """Parse lines of one JSON object each.

    Args:
        block: UTF-8 lines.
        types: The wanted keys and their types: string, int64, float64, bool or `INSTANT`; other keys are passed over.
        again: Whether the records were rejected before, and may be of a file of another format: values are then what
            `casts.cast` makes of them, as a number of its text.

    Returns:
        One row for each good line; a missing key is null, instants are int64 milliseconds. Rejected:
        `malformed_json`, `wrong_type`, `out_of_range`.
    """
    block, nested = block.without(
        _brackets(block) > MAX_BRACKETS, "malformed_json", f"more than {MAX_BRACKETS} brackets: signals are flat"
    )
    rows, rejections = parse_lines(
        block, lambda part: None if again else _fast(part, types), lambda part: _slow(part, types, again=again)
    )
    return Parsed(rows, [*nested, *rejections])


def _brackets(block: LineBlock) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the opening brackets in each line, or all 0 where the block holds too few to matter."""
    if block.data.count(b"{") + block.data.count(b"[") <= MAX_BRACKETS + len(block):
        return np.zeros(len(block), np.int64)
    text = np.frombuffer(block.data, np.uint8)
    seen = np.concatenate([[0], np.cumsum((text == _BRACE) | (text == _BRACKET))])
    counts: np.ndarray[Any, np.dtype[np.int64]] = seen[block.stops] - seen[block.starts]
    return counts


def _fast(block: LineBlock, types: Mapping[str, pa.DataType]) -> pa.RecordBatch | None:
    """Return all lines as rows, or None unless pyarrow reads exactly one object from each line."""
    if not _one_object_each(block):
        return None
    table = _table(block, types, pa.int64())
    if table is None and INSTANT in types.values():
        table = _table(block, types, pa.string())
    if table is None or table.num_rows != len(block):
        return None
    made = [_column(table.column(name).combine_chunks(), kind) for name, kind in types.items()]
    if any(one.faults for one in made):
        return None
    return raw_block([one.array for one in made], list(types), block.positions, block.unit)


def _table(block: LineBlock, types: Mapping[str, pa.DataType], instant: pa.DataType) -> pa.Table | None:
    """Return what pyarrow reads if instants are of the type `instant`, or None."""
    schema = pa.schema([(name, instant if kind == INSTANT else kind) for name, kind in types.items()])
    options = {
        "read_options": pj.ReadOptions(block_size=len(block.data) + 1),
        "parse_options": pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    }
    try:
        return pj.read_json(pa.py_buffer(block.data), **options)
    except pa.ArrowInvalid:
        return None


def _column(array: pa.Array, kind: pa.DataType) -> Cast:
    """Return a column as it is, but instants in milliseconds."""
    return cast(array, kind) if kind == INSTANT else Cast(array, [])


def _one_object_each(block: LineBlock) -> bool:
    """Return whether no line can hold what pyarrow takes and JSON Lines may not.

    That is a value beside the object (pyarrow crashes on a block that starts with a bare null) and numbers that
    are none. The same signs inside a text make it False too, which costs time only.
    """
    text = np.frombuffer(block.data, np.uint8)
    framed: Bools = (text[block.starts] == _BRACE) & (text[block.stops - 1] == ord("}"))
    nested = block.data.count(b"}") > len(block)
    unlike_numbers = b"NaN" in block.data or b"Inf" in block.data
    return (
        bool(framed.all())
        and not (nested and _SECOND_VALUE.search(block.data))
        and not (unlike_numbers and _NO_NUMBER.search(block.data))
    )


def _slow(block: LineBlock, types: Mapping[str, pa.DataType], *, again: bool) -> Parsed:
    """Decode line by line: the judge of what is wrong with which line."""
    decode = _decoder(tuple(types.items()), again=again)
    good: list[int] = []
    rows: list[Any] = []
    rejections: list[Rejection] = []
    for row, line in enumerate(block.lines()):
        try:
            rows.append(decode(line))
            good.append(row)
        except msgspec.DecodeError as error:
            rejections.append(block.reject(row, _reason(error), str(error)))
    columns = [([getattr(row, f"c{i}") for row in rows], kind) for i, kind in enumerate(types.values())]
    made = [_slow_column(values, kind, of_text=again or kind == INSTANT) for values, kind in columns]
    found = raw_block([one.array for one in made], list(types), block.positions[good], block.unit)
    problems = Problems(len(good))
    for name, one in zip(types, made, strict=True):
        for bad, reason in one.faults:
            problems.add(bad, reason, misfit(name, types[name], reason))
    rejections += [block.reject(good[row], reason, message) for row, reason, message in problems.bad()]
    fine = problems.good()
    return Parsed(found if fine is None else found.filter(pa.array(fine)), rejections)


def _slow_column(values: list[Any], kind: pa.DataType, *, of_text: bool) -> Cast:
    """Return decoded values as a column; of text where they may be of several types."""
    return cast(pa.array(map(_text, values), pa.string()), kind) if of_text else Cast(pa.array(values, kind), [])


def _text(value: Any) -> str | None:
    """Return a value as CSV has it; a double that is whole as a whole number."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return None if value is None else str(value)


@cache
def _decoder(types: tuple[tuple[str, pa.DataType], ...], *, again: bool) -> Callable[[bytes], Any]:
    """Return what decodes a line to the values of the wanted keys, c0 and so on."""
    names = [f"c{i}" for i in range(len(types))]
    of = _TYPES_AGAIN if again else _TYPES
    fields = [(name, of[kind] | None, None) for name, (_, kind) in zip(names, types, strict=True)]
    rename = dict(zip(names, (key for key, _ in types), strict=True))
    if any(map(_UNLIKE_FIELDS.search, rename.values())):
        return _by_pairs(msgspec.defstruct("Row", fields), {key: of[kind] for key, kind in types})
    return msgspec.json.Decoder(msgspec.defstruct("Row", fields, rename=rename)).decode


class _Key:
    """A key of a line, equal to no other: of one that comes twice each value is judged."""

    def __init__(self, text: str) -> None:
        self.text = text


def _by_pairs(row: type[Any], types: Mapping[str, Any]) -> Callable[[bytes], Any]:
    """Return what decodes keys of any characters; those of msgspec's own fields have no quotes and the like."""
    pairs = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=lambda _, key: _Key(key))
    values = {key: (f"c{i}", msgspec.json.Decoder(kind | None)) for i, (key, kind) in enumerate(types.items())}

    def decode(line: bytes) -> Any:
        found: dict[str, Any] = {}
        for key, value in pairs.decode(line).items():
            if key.text in values:
                name, decoder = values[key.text]
                try:
                    found[name] = decoder.decode(value)
                except msgspec.ValidationError as error:
                    raise msgspec.ValidationError(f"{error} - at `$.{key.text}`") from error
        return row(**found)

    return decode


def _reason(error: msgspec.DecodeError) -> str:
    if not isinstance(error, msgspec.ValidationError):
        return "malformed_json"
    out_of_range = any(sign in str(error) for sign in ("Number out of range", "`int` >=", "`int` <="))
    return "out_of_range" if out_of_range else "wrong_type"
