"""What is said of a value that does not fit the type of its column."""

import pyarrow as pa

from schemas.records import INSTANT
from transforms.parsing.casts import plain_type

_SHOWN = 60
_NAMES = {
    pa.string(): "text",
    pa.int64(): "a whole number",
    INSTANT: "an instant (RFC 3339, or whole milliseconds)",
    pa.float64(): "a number",
    pa.bool_(): "true or false",
}


def misfit(name: str, kind: pa.DataType, reason: str, found: pa.DataType | None = None) -> str:
    """Return what is wrong with a value of a column.

    Args:
        name: The column's.
        kind: What it should be.
        reason: As `casts.cast` tells it.
        found: The type that the file gives it, where that is known.
    """
    if found is not None and pa.types.is_null(plain_type(found)):
        return f"`{name}` is a {str(found)[:_SHOWN]}, not {_NAMES[kind]}"
    if reason == "invalid_utf8":
        return f"`{name}` is not UTF-8"
    fits = f"`{name}` is not {_NAMES[kind]}"
    return f"{fits} that fits into 64 bits" if reason == "out_of_range" else fits
