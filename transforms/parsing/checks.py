"""What the contract asks of values beyond their type."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.contracts import Field
from transforms.parsing.problems import Problems
from transforms.parsing.raw import Bools, Ints, mask_of

MAX_TEXT = 4_096
"""Bytes of one text field."""

_EARLY = "`time` is before --earliest"
_AHEAD = "`time` is further ahead than --max-ahead allows"


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


def check_time(times: pa.Array, earliest: int, latest: int | Ints, problems: Problems) -> None:
    """Note the rows with a time before `earliest` or after `latest`, of all or of each row, milliseconds.

    Reasons: `before_earliest`, `beyond_max_ahead`; what looks like a whole number of another unit is told.
    """
    least, greatest = pc.min_max(times).as_py().values()
    if least is None or (least >= earliest and greatest <= np.min(latest)):
        return
    numbers: Ints = times.fill_null(earliest).to_numpy(zero_copy_only=False)
    early, ahead = numbers < earliest, numbers > latest
    for unit, hint, looks in _units(numbers, earliest, latest):
        guess = f": as a whole number it looks like {unit}, not milliseconds; make them of it in sources.yaml, {hint}"
        problems.add(early & looks, "before_earliest", f"{_EARLY}{guess}")
        problems.add(ahead & looks, "beyond_max_ahead", f"{_AHEAD}{guess}")
    problems.add(early, "before_earliest", _EARLY)
    problems.add(ahead, "beyond_max_ahead", _AHEAD)


def _units(numbers: Ints, earliest: int, latest: int | Ints) -> Iterator[tuple[str, str, Bools]]:
    """Yield units, how sources.yaml makes milliseconds of them, and which numbers would be right in them."""
    date = "as FROM_ISO(SUBSTR(x, 1, 4) || '-' || SUBSTR(x, 5, 2) || '-' || SUBSTR(x, 7, 2){})"
    yield "a date, YYYYMMDD", date.format(""), _is_date(numbers)
    clock = " || 'T' || SUBSTR(x, 9, 2) || ':' || SUBSTR(x, 11, 2) || ':' || SUBSTR(x, 13, 2)"
    yield "a date and time, YYYYMMDDhhmmss", date.format(clock), _is_date(numbers // 1_000_000)
    seconds = (numbers >= -(-earliest // 1_000)) & (numbers <= latest // 1_000)
    yield "seconds", "as FROM_EPOCH_S(x)", seconds
    for unit, each in (("microseconds", 1_000), ("nanoseconds", 1_000_000)):
        made = numbers // each
        yield unit, f"as FROM_EPOCH_MS(x / {each})", (made >= earliest) & (made <= latest)


def _is_date(numbers: Ints) -> Bools:
    year, month, day = numbers // 10_000, numbers // 100 % 100, numbers % 100
    return (year >= 1900) & (year < 2200) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)


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
