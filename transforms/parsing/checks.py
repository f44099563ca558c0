"""What the contract asks of values beyond their type."""

import pyarrow as pa
import pyarrow.compute as pc

from schemas.contracts import Field
from transforms.parsing.problems import Problems
from transforms.parsing.raw import mask_of

MAX_TEXT = 4_096
"""Bytes of one text field."""


def check_field(array: pa.Array, field: Field, problems: Problems) -> pa.Array:
    """Note the rows whose value breaks the contract.

    Reasons: `missing_field` (null, or empty text, where required), `text_too_long`, `not_allowed` (a value
    that the contract does not list), `non_finite`, `out_of_range`.

    Args:
        array: The field's values, in its type.
        field: What the contract says of it.
        problems: Where to note.

    Returns:
        The values; -0.0 has become 0.0, so that equal numbers are equal bytes.
    """
    if field.required and array.null_count:
        problems.add(mask_of(array.is_null()), "missing_field", f"`{field.name}` is missing")
    if pa.types.is_string(field.type):
        _check_text(array, field, problems)
    elif pa.types.is_float64(field.type):
        if not pc.all(pc.is_finite(array)).as_py() and array.null_count < len(array):
            bad = mask_of(pc.invert(pc.is_finite(array)).fill_null(False))
            problems.add(bad, "non_finite", f"`{field.name}` is not a finite number")
        array = pc.add(array, 0.0)
    _check_range(array, field, problems)
    return array


def check_time(times: pa.Array, latest: int, problems: Problems) -> None:
    """Note the rows with a time after `latest`, milliseconds, as `beyond_max_ahead`."""
    greatest = pc.max(times).as_py()
    if greatest is not None and greatest > latest:
        bad = mask_of(pc.greater(times, latest).fill_null(False))
        problems.add(bad, "beyond_max_ahead", "`time` is further ahead than max_ahead allows")


def _check_text(array: pa.Array, field: Field, problems: Problems) -> None:
    lengths = pc.binary_length(array)
    shortest, longest = pc.min_max(lengths).as_py().values()
    if field.required and shortest == 0:
        problems.add(mask_of(pc.equal(lengths, 0).fill_null(False)), "missing_field", f"`{field.name}` is empty")
    if longest is not None and longest > MAX_TEXT:
        bad = mask_of(pc.greater(lengths, MAX_TEXT).fill_null(False))
        problems.add(bad, "text_too_long", f"`{field.name}` is longer than {MAX_TEXT} bytes")
    if field.values:
        allowed = pc.is_in(array, pa.array(field.values, pa.string()))
        bad = mask_of(pc.and_(array.is_valid(), pc.invert(allowed)))
        problems.add(bad, "not_allowed", f"`{field.name}` must be one of {', '.join(field.values)}")


def _check_range(array: pa.Array, field: Field, problems: Problems) -> None:
    lowest, highest = _limits(field)
    if lowest is None and highest is None:
        return
    least, greatest = pc.min_max(array).as_py().values()
    for limit, seen, beyond, asked in (
        (lowest, least, pc.less, "at least"),
        (highest, greatest, pc.greater, "at most"),
    ):
        if limit is not None and seen is not None and beyond(pa.scalar(seen), pa.scalar(limit)).as_py():
            bad = mask_of(beyond(array, limit).fill_null(False))
            problems.add(bad, "out_of_range", f"`{field.name}` must be {asked} {limit}")


def _limits(field: Field) -> tuple[float | None, float | None]:
    """Return the contract's range; of a double no more than fits into a scaled Int64."""
    if not pa.types.is_float64(field.type):
        return field.min, field.max
    bound = 2.0**62 / 10**field.scale
    least, most = (-bound if field.min is None else field.min), (bound if field.max is None else field.max)
    return max(least, -bound), min(most, bound)
