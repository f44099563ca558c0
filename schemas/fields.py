"""Types of the fields in files that people write."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, StringConstraints

from schemas.durations import parse_duration

NAME = r"^[a-z][a-z0-9_]{0,62}$"
COLUMN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
ROLE = NAME.replace("$", "!?$")
PROFILE_FIELD = r"^profile\.[a-z][a-z0-9_]{0,62}$"
DELIMITER = r"^[\t !#-~]$"
DAY = r"^\d{4}-\d\d-\d\d$"
_WORD = "use small letters, digits and `_`, at most 63; a letter first"
FORMS = {
    NAME: ("a name", _WORD),
    ROLE: ("a name", f"{_WORD}; `!` at its end insists"),
    COLUMN: ("the name of a column", "use letters, digits and `_`, at most 63; no digit first"),
    PROFILE_FIELD: ("a field of the profile", "write it as `profile.tariff`"),
    DELIMITER: ("a delimiter", 'write one character, as ";" or "|"; a tab is "\\t" in double quotes'),
    DAY: ("a day", "write it as 2026-01-05"),
}
"""Pattern of a text to what such a text is, and how to write one."""

_PERCENTAGE = re.compile(r"(\d+(?:\.\d+)?)%")
_SHARES = re.compile(r"(\d+(?:\.\d+)?)%\.\.(\d+(?:\.\d+)?)%")
Calendar = Literal["day", "week", "month"]


def _expression(value: Any) -> Any:
    """Let a number or a truth value stand where an expression may."""
    if isinstance(value, bool):
        return str(value).upper()
    return repr(value) if isinstance(value, int | float) else value


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _period(value: Any) -> Any:
    if value in get_args(Calendar):
        return value
    if parse_duration(value) == 0:
        raise ValueError("must be `day`, `week`, `month` or more than 0s")
    return parse_duration(value)


def _percentage(value: Any) -> Any:
    """Turn `5%` into a share; let a number from 0 to 1 be one."""
    found = _PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, str) and not found:
        raise ValueError(f"must be a share, as `5%` or 0.05, not `{value}`")
    return float(Decimal(found[1]) / 100) if found else value


def _ration(value: Any) -> Any:
    """Turn `0.2 per 7d` or `20% per 7d` into a share and a period."""
    share, _, period = (value if isinstance(value, str) else "").partition(" per ")
    if not re.fullmatch(r"\d+(\.\d+)?%?", share) or not period:
        raise ValueError(f"must be a share and a period, as `20% per 7d`, not `{value}`")
    length, number = parse_duration(period), Decimal(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
    if not 0 <= number <= 1 or not length:
        raise ValueError(f"must be from 0 to 1 of a period of more than 0s, not `{value}`")
    return float(number), length


def _shares(value: Any) -> Any:
    """Turn `1%..5%` into shares; they are the nearest floats, as any share of whole numbers is."""
    found = _SHARES.fullmatch(value) if isinstance(value, str) else None
    least, most = map(Decimal, found.groups()) if found else (Decimal(1), Decimal(0))
    if not 0 <= least <= most <= 100:
        raise ValueError(f"must be the least and the greatest share, as `1%..5%`, not `{value}`")
    return float(least / 100), float(most / 100)


def _signal_files(value: Any) -> Any:
    """Turn `[usage, {meter: meter.avsc}]` into name → file or None."""
    if not isinstance(value, list):
        raise ValueError("must be a list of signal types, as `[usage, balance]`")
    found: dict[str, str | None] = {}
    for item in value:
        named = {item: None} if isinstance(item, str) else item
        if not isinstance(named, dict) or len(named) != 1:
            raise ValueError("must hold names of signal types, or `{name: file.avsc}` for one of your own")
        if repeated := found.keys() & named.keys():
            raise ValueError(f"names `{repeated.pop()}` twice")
        found |= named
    return found


Name = Annotated[str, StringConstraints(pattern=NAME)]
Role = Annotated[str, StringConstraints(pattern=ROLE)]
Column = Annotated[str, StringConstraints(pattern=COLUMN)]
ProfileField = Annotated[str, StringConstraints(pattern=PROFILE_FIELD)]
Share = Annotated[float, Field(ge=0, le=1)]
Expression = Annotated[
    str,
    StringConstraints(min_length=1, max_length=20_000),
    BeforeValidator(_expression, json_schema_input_type=str | int | float | bool),
]
"""SQL text; `transforms.compiler.compile_expression` knows what it may say."""
Step = Annotated[dict[Name, Expression], Field(min_length=1)]
"""Signal type to which of its signals count: an expression over their columns, or `any`."""
Names = Annotated[
    tuple[Name, ...],
    Field(min_length=1, strict=False),
    BeforeValidator(_one_or_more, json_schema_input_type=Name | list[Name]),
]
"""One name or a list of them."""
Triggers = Annotated[
    tuple[str, ...],
    Field(min_length=1, strict=False),
    BeforeValidator(_one_or_more, json_schema_input_type=str | list[str]),
]
"""One dotted name or a list of them."""
Percentage = Annotated[float, Field(ge=0, le=1), BeforeValidator(_percentage, json_schema_input_type=str | float)]
"""A share of 1, as `5%` or 0.05."""
Ration = Annotated[tuple[float, int], BeforeValidator(_ration, json_schema_input_type=str)]
"""A share of 1 and the milliseconds of its period."""
Shares = Annotated[tuple[float, float], BeforeValidator(_shares, json_schema_input_type=str)]
"""The least and the greatest share, of 1."""
Period = Annotated[Calendar | int, BeforeValidator(_period, json_schema_input_type=str)]
"""Rolling milliseconds, or a calendar period."""
SignalFiles = Annotated[
    dict[Name, str | None],
    Field(min_length=1),
    BeforeValidator(_signal_files, json_schema_input_type=list[Name | dict[Name, str]]),
]
"""Signal type to its own Avro contract, or None where the contract is built in."""
