"""The functions that expressions may call, by name: what they take, give and mean."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import polars as pl

from transforms.arrays.exact_arithmetic import log2, log10, power
from transforms.compiler.sql.values import (
    BOOL,
    DOUBLE,
    INT,
    NUMBERS,
    TEXT,
    ExpressionError,
    Value,
    describe,
    finite,
)

Takes = Literal["number", "double", "text", "literal", "count"]
"""number as it is, number as a double, text, a text literal, a whole literal from 0 (both given to `build` as such)."""

Gives = pl.DataType | Literal["same"]


@dataclass(frozen=True)
class Function:
    """A scalar function.

    Attributes:
        takes: What each argument must be.
        gives: The result's type; `same` as the first argument's.
        build: Makes the polars expression; NULL arguments must give NULL.
        doc: What it means, for people.
        optional: How many of the last arguments may be left out.
        partial: Whether it may be NULL, infinite or NaN for arguments that are not.
        finite: Whether it is NULL where it would be infinite or NaN.
        meaning: What it means beyond its name, for comparison with another of that name.
    """

    takes: tuple[Takes, ...]
    gives: Gives
    build: Callable[..., pl.Expr]
    doc: str
    optional: int = 0
    partial: bool = False
    finite: bool = False
    meaning: str = ""

    def __call__(self, name: str, arguments: list[Value]) -> Value:
        """Apply it to compiled arguments.

        Raises:
            ExpressionError: too few, too many, or of another type.
        """
        least, most = len(self.takes) - self.optional, len(self.takes)
        if not least <= len(arguments) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            message = f"`{name}` takes {wanted} argument{'s' if most > 1 else ''}, not {len(arguments)}"
            raise ExpressionError(message, self.doc)
        passed = [_argument(name, *pair) for pair in zip(self.takes, arguments, strict=False)]
        dtype = arguments[0].dtype if self.gives == "same" else self.gives
        nullable = self.partial or any(argument.nullable for argument in arguments)
        return Value(self.build(*passed), dtype, nullable, finite=self.finite or not (self.partial and dtype == DOUBLE))


def _argument(name: str, takes: Takes, value: Value) -> Any:
    """Return what `build` gets for an argument."""
    if takes in ("literal", "count"):
        known = value.known
        if takes == "literal" and isinstance(known, str):
            return known
        if takes == "count" and isinstance(known, int) and not isinstance(known, bool) and 0 <= known < 2**31:
            return known
        wanted = "a text literal" if takes == "literal" else "a whole literal from 0"
        raise ExpressionError(f"`{name}` needs {wanted} there")
    wanted_types = (TEXT,) if takes == "text" else NUMBERS
    if value.dtype not in wanted_types:
        wanted = "text" if takes == "text" else "a number"
        raise ExpressionError(f"`{name}` needs {wanted}, not {describe(value.dtype)}")
    expr = finite(value).expr
    return expr.cast(DOUBLE) if takes == "double" and value.dtype == INT else expr


def _abs(x: pl.Expr) -> pl.Expr:
    return x.abs().replace(-(2**63), None)  # the least integer has no opposite


def _round(x: pl.Expr, decimals: int = 0) -> pl.Expr:
    return x.round(decimals, mode="half_away_from_zero")


def _strpos(text: pl.Expr, part: str) -> pl.Expr:
    before = text.str.extract(f"(?s)^(.*?){re.escape(part)}", 1).str.len_chars().cast(INT) + 1
    return pl.when(text.is_not_null()).then(before.fill_null(0))


def _substr(text: pl.Expr, start: int, length: int | None = None) -> pl.Expr:
    if start < 1:
        raise ExpressionError("`SUBSTR` counts from 1")
    return text.str.slice(start - 1, length)


FUNCTIONS: Final[Mapping[str, Function]] = {
    "ABS": Function(("number",), "same", _abs, "ABS(x): x without its sign."),
    "CEIL": Function(("number",), "same", lambda x: x.ceil(), "CEIL(x): the least whole number not below x."),
    "FLOOR": Function(("number",), "same", lambda x: x.floor(), "FLOOR(x): the greatest whole number not above x."),
    "ROUND": Function(
        ("number", "count"), "same", _round, "ROUND(x) or ROUND(x, decimals): halves away from zero.", optional=1
    ),
    "SIGN": Function(("number",), INT, lambda x: x.sign().cast(INT), "SIGN(x): -1, 0 or 1."),
    "SQRT": Function(("double",), DOUBLE, lambda x: x.sqrt(), "SQRT(x): NULL below 0.", partial=True),
    "EXP": Function(("double",), DOUBLE, lambda x: x.exp(), "EXP(x): e to the power x.", partial=True),
    "LN": Function(("double",), DOUBLE, lambda x: x.log(), "LN(x): natural logarithm; NULL up to 0.", partial=True),
    "LOG2": Function(("double",), DOUBLE, log2, "LOG2(x): logarithm to base 2.", partial=True, finite=True),
    "LOG10": Function(("double",), DOUBLE, log10, "LOG10(x): logarithm to base 10.", partial=True, finite=True),
    "POW": Function(("double", "double"), DOUBLE, power, "POW(x, y): x to the power y.", partial=True, finite=True),
    "UPPER": Function(("text",), TEXT, lambda s: s.str.to_uppercase(), "UPPER(s): in capitals."),
    "LOWER": Function(("text",), TEXT, lambda s: s.str.to_lowercase(), "LOWER(s): in small letters."),
    "LENGTH": Function(("text",), INT, lambda s: s.str.len_chars().cast(INT), "LENGTH(s): number of characters."),
    "TRIM": Function(("text",), TEXT, lambda s: s.str.strip_chars(" "), "TRIM(s): without spaces around it."),
    "LEFT": Function(("text", "count"), TEXT, lambda s, n: s.str.slice(0, n), "LEFT(s, n): the first n characters."),
    "RIGHT": Function(("text", "count"), TEXT, lambda s, n: s.str.tail(n), "RIGHT(s, n): the last n characters."),
    "SUBSTR": Function(
        ("text", "count", "count"), TEXT, _substr, "SUBSTR(s, start) or SUBSTR(s, start, length): from 1.", optional=1
    ),
    "REPLACE": Function(
        ("text", "literal", "literal"),
        TEXT,
        lambda s, old, new: s.str.replace_all(old, new, literal=True),
        "REPLACE(s, 'old', 'new'): every `old` replaced.",
    ),
    "STARTS_WITH": Function(
        ("text", "literal"), BOOL, lambda s, part: s.str.starts_with(part), "STARTS_WITH(s, 'part'): begins so."
    ),
    "ENDS_WITH": Function(
        ("text", "literal"), BOOL, lambda s, part: s.str.ends_with(part), "ENDS_WITH(s, 'part'): ends so."
    ),
    "STRPOS": Function(("text", "literal"), INT, _strpos, "STRPOS(s, 'part'): where it begins, from 1; 0 if nowhere."),
}
