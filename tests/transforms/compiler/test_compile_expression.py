"""Expressions: what each construct means on values and NULLs, what is refused with which words."""

import pickle
from collections.abc import Mapping
from contextlib import suppress

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot.tokens import Tokenizer

from schemas.name_checks import RESERVED_WORDS
from transforms.compiler.compile_expression import (
    Expression,
    ExpressionError,
    ScopeColumn,
    compile_expression,
    in_frame,
)
from transforms.compiler.sql.forms import FORMS
from transforms.compiler.sql.functions import FUNCTIONS, Function
from transforms.compiler.sql.values import BOOL, DOUBLE, INT, TEXT

GREATEST = 2**63 - 1
FRAME = pl.DataFrame(
    {
        "a": [1, 7, GREATEST],
        "b": [0, None, 3],
        "x": [1e308, 0.0, None],
        "y": [-1.5, 2.5, None],
        "s": ["Fibre_ä", "x.y\n", None],
        "t": [True, False, None],
        "trigger.x": [1, 2, 3],
    }
)
SCOPE = {name: ScopeColumn(dtype, name not in ("a", "trigger.x")) for name, dtype in FRAME.schema.items()}


def compiled(text: str, **lets: str) -> Expression:
    return compile_expression(text, SCOPE, lets)


@pytest.mark.parametrize(
    ("text", "dtype", "values"),
    [
        # literals and columns
        ("3", INT, [3, 3, 3]),
        ("-3", INT, [-3, -3, -3]),
        ("9223372036854775807", INT, [GREATEST] * 3),
        ("2.5e1", DOUBLE, [25.0] * 3),
        ("'it''s'", TEXT, ["it's"] * 3),
        ("TRUE", BOOL, [True] * 3),
        ("a /* why not */ -- so", INT, [1, 7, GREATEST]),
        ("trigger.x + 1", INT, [2, 3, 4]),
        # whole numbers are exact, NULL where they do not fit
        ("a + 1", INT, [2, 8, None]),
        ("a - 1", INT, [0, 6, GREATEST - 1]),
        ("1 - a", INT, [0, -6, 1 - GREATEST]),
        ("-1 - a - 1", INT, [-3, -9, None]),
        ("a * 2", INT, [2, 14, None]),
        ("-2 * a", INT, [-2, -14, None]),
        ("0 * a", INT, [0, 0, 0]),
        ("a + b", INT, [1, None, None]),
        ("a - b", INT, [1, None, GREATEST - 3]),
        ("a * b", INT, [0, None, None]),
        ("-a", INT, [-1, -7, -GREATEST]),
        ("9007199254740993 + b", INT, [9007199254740993, None, 9007199254740996]),
        # division
        ("a / b", DOUBLE, [None, None, GREATEST / 3]),
        ("1 / 2", DOUBLE, [0.5] * 3),
        ("x / 1e-300", DOUBLE, [None, 0.0, None]),
        ("7 // 2", INT, [3] * 3),
        ("-7 // 2", INT, [-4] * 3),
        ("a // b", INT, [None, None, GREATEST // 3]),
        ("y // 2", DOUBLE, [-1.0, 1.0, None]),
        ("-7 % 3", INT, [2] * 3),
        ("a % b", INT, [None, None, 1]),
        ("y % 2", DOUBLE, [0.5, 0.5, None]),
        ("y % b", DOUBLE, [None, None, None]),
        # nothing is ever infinite or undefined
        ("x * 10", DOUBLE, [None, 0.0, None]),
        ("x * 10 > 5", BOOL, [None, False, None]),
        ("NOT x * 10 > 5", BOOL, [None, True, None]),
        ("x * 10 IS NULL", BOOL, [True, False, True]),
        ("COALESCE(x * 10, 5)", DOUBLE, [5.0, 0.0, 5.0]),
        ("1 / (x * 10)", DOUBLE, [None, None, None]),
        ("EXP(-x * 10)", DOUBLE, [None, 1.0, None]),
        ("EXP(1000) > 1", BOOL, [None] * 3),
        ("LN(b) < 1", BOOL, [None, None, False]),
        # comparisons
        ("a = 1", BOOL, [True, False, False]),
        ("a <> 1", BOOL, [False, True, True]),
        ("b <= 2.5", BOOL, [True, None, False]),
        ("s >= 'a'", BOOL, [False, True, None]),
        ("t = (a = 1)", BOOL, [True, True, None]),
        ("b BETWEEN 0 AND 2", BOOL, [True, None, False]),
        ("b NOT BETWEEN 0 AND 2", BOOL, [False, None, True]),
        ("b IN (0, 1)", BOOL, [True, None, False]),
        ("b NOT IN (0, 1.5)", BOOL, [False, None, True]),
        ("a IN (b + 1, 7)", BOOL, [True, True, False]),
        ("s IN ('x', 'Fibre_ä')", BOOL, [True, False, None]),
        ("b IS NULL", BOOL, [False, True, False]),
        ("b IS NOT NULL", BOOL, [True, False, True]),
        ("t IS TRUE", BOOL, [True, False, False]),
        ("t IS NOT TRUE", BOOL, [False, True, True]),
        ("b IS DISTINCT FROM 0", BOOL, [False, True, True]),
        ("b IS NOT DISTINCT FROM b", BOOL, [True, True, True]),
        # logic of three values
        ("t AND b = 0", BOOL, [True, False, False]),
        ("t OR b = 0", BOOL, [True, None, None]),
        ("NOT t", BOOL, [False, True, None]),
        # text
        ("s LIKE 'Fib%'", BOOL, [True, False, None]),
        ("s LIKE '%.y_'", BOOL, [False, True, None]),
        ("s LIKE '%b%'", BOOL, [True, False, None]),
        ("s LIKE 'Fibre'", BOOL, [False, False, None]),
        ("s NOT LIKE 'F%ä'", BOOL, [False, True, None]),
        ("s ILIKE 'FIBRE_Ä'", BOOL, [True, False, None]),
        ("s || '!'", TEXT, ["Fibre_ä!", "x.y\n!", None]),
        # choices
        ("CASE WHEN t THEN 'yes' WHEN a > 5 THEN 'no' END", TEXT, ["yes", "no", "no"]),
        ("CASE a WHEN 1 THEN 1 WHEN b THEN 2 ELSE 0.5 END", DOUBLE, [1.0, 0.5, 0.5]),
        ("CASE WHEN t THEN NULL ELSE a END", INT, [None, 7, GREATEST]),
        ("IF(t, a, 0)", INT, [1, 0, 0]),
        ("IF(t, 'a')", TEXT, ["a", None, None]),
        ("COALESCE(b, x, 0)", DOUBLE, [0.0, 0.0, 3.0]),
        ("NULLIF(b, 3)", INT, [0, None, None]),
        ("LEAST(a, 5)", INT, [1, 5, 5]),
        ("GREATEST(a + 1, 3.5)", DOUBLE, [3.5, 8.0, None]),
        ("CONCAT(COALESCE(s, '-'), '!')", TEXT, ["Fibre_ä!", "x.y\n!", "-!"]),
        # types
        ("CAST(y AS BIGINT)", INT, [-1, 2, None]),
        ("CAST(x AS BIGINT)", INT, [None, 0, None]),
        ("CAST(a AS DOUBLE)", DOUBLE, [1.0, 7.0, float(GREATEST)]),
        ("TRY_CAST(s AS DOUBLE)", DOUBLE, [None, None, None]),
        ("CAST('1.5' AS DOUBLE) + CAST('2' AS BIGINT)", DOUBLE, [3.5] * 3),
        ("CAST('inf' AS DOUBLE)", DOUBLE, [None] * 3),
        ("CAST(a AS VARCHAR)", TEXT, ["1", "7", str(GREATEST)]),
        ("CAST(b AS BOOLEAN)", BOOL, [False, None, True]),
        ("t::BIGINT", INT, [1, 0, None]),
        ("CAST(NULL AS DOUBLE)", DOUBLE, [None] * 3),
        # functions
        ("ABS(y)", DOUBLE, [1.5, 2.5, None]),
        ("ABS(-a)", INT, [1, 7, GREATEST]),
        ("ABS(-9223372036854775807 - 1)", INT, [None] * 3),
        ("CEIL(y)", DOUBLE, [-1.0, 3.0, None]),
        ("FLOOR(y)", DOUBLE, [-2.0, 2.0, None]),
        ("FLOOR(a)", INT, [1, 7, GREATEST]),
        ("ROUND(y)", DOUBLE, [-2.0, 3.0, None]),
        ("ROUND(y / 2, 2)", DOUBLE, [-0.75, 1.25, None]),
        ("SIGN(y)", INT, [-1, 1, None]),
        ("SQRT(y - 2.25)", DOUBLE, [None, 0.5, None]),
        ("SQRT(b)", DOUBLE, [0.0, None, 3**0.5]),
        ("EXP(x)", DOUBLE, [None, 1.0, None]),
        ("LN(a - 1)", DOUBLE, [None, pytest.approx(1.791759469228055), pytest.approx(43.66827237527655)]),
        ("LOG2(8)", DOUBLE, [3.0] * 3),
        ("LOG10(1000)", DOUBLE, [pytest.approx(3.0)] * 3),
        ("POW(y, 2)", DOUBLE, [2.25, 6.25, None]),
        ("POW(10, 20)", DOUBLE, [1e20] * 3),
        ("POW(0, -1)", DOUBLE, [None] * 3),
        ("UPPER(s)", TEXT, ["FIBRE_Ä", "X.Y\n", None]),
        ("LOWER(s)", TEXT, ["fibre_ä", "x.y\n", None]),
        ("LENGTH(s)", INT, [7, 4, None]),
        ("LENGTH(s) - 10", INT, [-3, -6, None]),
        ("TRIM('  a b ')", TEXT, ["a b"] * 3),
        ("LEFT(s, 2)", TEXT, ["Fi", "x.", None]),
        ("RIGHT(s, 2)", TEXT, ["_ä", "y\n", None]),
        ("SUBSTR(s, 2)", TEXT, ["ibre_ä", ".y\n", None]),
        ("SUBSTR(s, 2, 1)", TEXT, ["i", ".", None]),
        ("REPLACE(s, '.', '$0')", TEXT, ["Fibre_ä", "x$0y\n", None]),
        ("STARTS_WITH(s, 'x.')", BOOL, [False, True, None]),
        ("ENDS_WITH(s, 'ä')", BOOL, [True, False, None]),
        ("STRPOS(s, 'ä')", INT, [7, 0, None]),
        ("STRPOS(s, '.')", INT, [0, 2, None]),
    ],
)
def test_meaning(text: str, dtype: pl.DataType, values: list[object]) -> None:
    expression = compiled(text)
    found = FRAME.select(value=expression.expr)["value"]
    assert (expression.dtype, found.dtype) == (dtype, dtype)
    assert found.to_list() == values
    assert FRAME.clear().select(value=expression.expr).height == 0
    assert pickle.loads(pickle.dumps(expression)) == expression


@pytest.mark.parametrize(
    ("text", "told"),
    [
        # names
        ("trigger.y > 1", "no `trigger.y` here (did you mean `trigger.x`?)"),
        ("q", "no `q` here (known: a, b, s, t, trigger.x, x, y)"),
        ('s = "data"', "no `data` here (text goes in single quotes)"),
        ("CURRENT_DATE", "no `CURRENT_DATE` here (known: a, b, s, t, trigger.x, x, y)"),
        ("LENGHT(s)", "no function `LENGHT` (did you mean `LENGTH`?)"),
        ("SUM(a)", "no function `SUM` (aggregates belong under `features`)"),
        ("NOW()", "no function `NOW` (the same signals must always give the same result)"),
        # what SQL knows and we do not allow
        ("SUM(a) OVER (PARTITION BY b)", "`SUM(a) OVER (PARTITION BY b)` is not allowed in an expression"),
        ("COUNT(*) FILTER(WHERE t)", "`COUNT(*) FILTER(WHERE t)` is not allowed in an expression"),
        ("(SELECT 1)", "`(SELECT 1)` is not allowed in an expression"),
        ("a IN (SELECT 1)", "`a IN (SELECT 1)` is not allowed in an expression"),
        ("EXISTS(SELECT 1)", "`EXISTS(SELECT 1)` is not allowed in an expression"),
        ("*", "`*` is not allowed in an expression"),
        ("a.*", "`a.*` is not allowed in an expression"),
        ("?", "`?` is not allowed in an expression"),
        (":a", "`:a` is not allowed in an expression"),
        ("a; b", "`a; b` is not allowed in an expression"),
        ("(a, b)", "`(a, b)` is not allowed in an expression"),
        ("a ^ 2", "`a ^ 2` is not allowed in an expression"),
        ("a BETWEEN SYMMETRIC 1 AND 2", "`(a BETWEEN 1 AND 2 OR a BETWEEN 2 AND 1)` is not allowed in an expression"),
        ("s LIKE 'a' ESCAPE '!'", "`s LIKE 'a' ESCAPE '!'` is not allowed in an expression"),
        (
            "DATE '2026-01-01'",
            "`CAST('2026-01-01' AS DATE)`: there is no type `DATE` (use BIGINT, DOUBLE, VARCHAR, TEXT,",
        ),
        ("INTERVAL '1' DAY", "`INTERVAL '1' DAY` is not allowed in an expression"),
        # what is no SQL
        ("", "is not an SQL expression: nothing is there"),
        ("a +", "is not an SQL expression: something is missing near `+`"),
        ("((a)", "is not an SQL expression: expecting ) near `)`"),
        ("a b", "is not an SQL expression: invalid expression / unexpected token near `b`"),
        ("'a", "is not an SQL expression: a quote is not closed"),
        ("(" * 400 + "a" + ")" * 400, "is nested too deeply"),
        ("a" + " + a" * 500, "is nested too deeply (name parts of it as derived values)"),
        ("a IN (" + "1, " * 2_000 + "1)", "has more than 2,000 parts (name parts of it as derived values)"),
        # types
        ("s = 1", "`s = 1` mixes a whole number and text (make them one type, with CAST)"),
        ("s IN ('a', 1)", "`s IN ('a', 1)` mixes a whole number and text (make them one type, with CAST)"),
        ("COALESCE(a, 'a')", "`COALESCE(a, 'a')` mixes a whole number and text (make them one type, with CAST)"),
        ("CASE WHEN t THEN 1 ELSE 'a' END", "`CASE WHEN t THEN 1 ELSE 'a' END` mixes a whole number and text"),
        ("a AND t", "`a` is a whole number; a truth value is needed"),
        ("NOT a", "`a` is a whole number; a truth value is needed"),
        ("-s", "`s` is text; a number is needed"),
        ("a + t", "`t` is a truth value; a number is needed"),
        ("a || s", "`a` is a whole number; text is needed"),
        ("t < t", "`t < t` puts truth values in an order (combine them with AND, OR, NOT)"),
        ("t BETWEEN t AND t", "`t BETWEEN t AND t` puts truth values in an order (combine them with AND, OR, NOT)"),
        ("1 < a < 3", "`1 < a < 3` mixes a truth value and a whole number (make them one type, with CAST)"),
        ("a LIKE 'x'", "`a` is a whole number; text is needed"),
        ("s LIKE s", "`s LIKE s` needs a text literal as its pattern"),
        ("a IS TRUE", "`a` is a whole number; a truth value is needed"),
        ("CAST(a AS INT)", "`CAST(a AS INT)`: there is no type `INT` (use BIGINT, DOUBLE, VARCHAR, TEXT, BOOLEAN)"),
        ("CAST(s AS BOOLEAN)", "`CAST(s AS BOOLEAN)` makes a truth value of text (compare it, as `x = 'yes'`)"),
        # NULL
        ("NULL", "is always NULL, not a whole number or a number or text or a truth value"),
        ("b = NULL", "`b = NULL` is never true (use IS NULL or IS NOT NULL)"),
        ("b IN (1, NULL)", "`b IN (1, NULL)` lists NULL, which is equal to nothing (leave it out, or add `IS NULL`)"),
        ("a + NULL", "`NULL` is NULL; a number is needed (ask with IS NULL)"),
        ("LEAST(b, 5)", "`LEAST` would skip `b` where it is NULL (use `bounds`, or COALESCE each of them)"),
        (
            "GREATEST(a, a / b)",
            "`GREATEST` would skip `a / b` where it is NULL (use `bounds`, or COALESCE each of them)",
        ),
        (
            "GREATEST(1, LN(a))",
            "`GREATEST` would skip `LN(a)` where it is NULL (use `bounds`, or COALESCE each of them)",
        ),
        ("CONCAT(s, 'a')", "`CONCAT` would skip `s` where it is NULL (use `||`, or COALESCE each of them)"),
        # values
        ("a / 0", "`a / 0` divides by zero"),
        ("a % (1 - 1)", "`a % (1 - 1)` divides by zero"),
        ("y // 0.0", "`y // 0.0` divides by zero"),
        ("9223372036854775808", "`9223372036854775808` is too large a number"),
        ("1e400", "`1e400` is too large a number"),
        ("b IN ()", "`b IN ()` has no values to be in (list some, as `IN ('a', 'b')`)"),
        # arguments
        ("ABS()", "`ABS` takes 1 argument, not 0 (ABS(x): x without its sign.)"),
        (
            "ROUND(a, 1, 2)",
            "`ROUND` takes 1 to 2 arguments, not 3 (ROUND(x) or ROUND(x, decimals): halves away from zero.)",
        ),
        ("ABS(s)", "`ABS` needs a number, not text"),
        ("UPPER(a)", "`UPPER` needs text, not a whole number"),
        ("LEFT(s, a)", "`LEFT` needs a whole literal from 0 there"),
        ("LEFT(s, -1)", "`LEFT` needs a whole literal from 0 there"),
        ("SUBSTR(s, 0)", "`SUBSTR` counts from 1"),
        ("STRPOS(s, s)", "`STRPOS` needs a text literal there"),
        ("IF(t)", "`IF(t)` has 1 arguments (IF(condition, a, b): a where the condition is true, else b or NULL.)"),
        ("NULLIF(b, 's')", "`NULLIF(b, 's')` mixes a whole number and text (make them one type, with CAST)"),
        ("ABS(DISTINCT a)", "`DISTINCT a` is not allowed in an expression"),
    ],
)
def test_refusals(text: str, told: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compiled(text)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("text", "lets", "same"),
    [
        ("a > low", {"low": "2 * 60"}, "a > 120"),
        ("a * low", {"low": "1 + 2"}, "a * 3"),
        (
            "late AND big",
            {"big": "a > low", "low": "5", "late": "b IS NULL OR b > 2"},
            "(b IS NULL OR b > 2) AND a > 5",
        ),
    ],
)
def test_let_names_stand_for_expressions(text: str, lets: Mapping[str, str], same: str) -> None:
    with_lets, without = compiled(text, **lets), compiled(same)
    assert FRAME.select(with_lets.expr.alias("v")).equals(FRAME.select(without.expr.alias("v")))
    assert (with_lets.columns, with_lets.thresholds) == (without.columns, without.thresholds)
    assert with_lets.text == text


@pytest.mark.parametrize(
    ("text", "lets", "told"),
    [
        ("low", {"low": "low"}, "`let` goes in a circle: low → low"),
        ("p", {"p": "q + 1", "q": "p"}, "`let` goes in a circle: p → q → p"),
        ("a > 1", {"a": "2"}, "`a` is under `let` and a column too (give the `let` another name)"),
        ("lo > 1", {"low": "2"}, "no `lo` here (did you mean `low`?)"),
        (
            "low",
            {"low": "1 +"},
            "no `low` to use: under `let` it is not an SQL expression: something is missing near `+`",
        ),
        ("p0", {f"p{n}": f"p{n + 1} + p{n + 1}" for n in range(40)} | {"p40": "1"}, "has more than 2,000 parts"),
    ],
)
def test_let_names_are_refused(text: str, lets: Mapping[str, str], told: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compiled(text, **lets)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("text", "thresholds", "compared_only"),
    [
        ("b > 60", {"b": (60,)}, {"b"}),
        ("2 * 60 < (b)", {"b": (120,)}, {"b"}),
        ("b BETWEEN 5 AND 10 OR b IN (7, -1)", {"b": (-1, 5, 7, 10)}, {"b"}),
        ("b > low AND NOT b >= 3.5", {"b": (3.5, 300)}, {"b"}),
        ("b IS NULL OR b IS NOT NULL", {}, {"b"}),
        ("b > a", {}, set()),
        ("b > 60 AND b + 1 > 60", {"b": (60,)}, set()),
        ("5 BETWEEN b AND 10", {}, set()),
        ("-b < 5", {}, set()),
        ("COALESCE(b, 0) > 5", {}, set()),
        ("s = 'a' AND t", {}, set()),
        ("CASE WHEN b > 60 THEN a END", {"b": (60,)}, {"b"}),
    ],
)
def test_thresholds(text: str, thresholds: Mapping[str, tuple[float, ...]], compared_only: set[str]) -> None:
    expression = compiled(text, low="5 * 60")
    assert expression.thresholds == thresholds
    assert expression.compared_only == compared_only


@pytest.mark.parametrize(
    ("text", "nullable"),
    [("a + 1", False), ("a / 2", False), ("a / a", True), ("b", True), ("COALESCE(b, 0)", False), ("b IS NULL", False)],
)
def test_nullable(text: str, nullable: bool) -> None:
    assert compiled(text).nullable is nullable


def test_the_type_can_be_prescribed() -> None:
    assert compile_expression("a > 1", SCOPE, gives=[BOOL]).dtype == BOOL
    with pytest.raises(ExpressionError, match="is a whole number, not a truth value"):
        compile_expression("a + 1", SCOPE, gives=[BOOL])


def test_nothing_may_be_in_scope() -> None:
    assert FRAME.select(compile_expression("1 < 2", {}).expr).to_series().to_list() == [True] * 3


def test_functions_can_be_added() -> None:
    twice = Function(("number",), INT, lambda x: x * 2, "TWICE(x): x and x.")
    assert FRAME.select(compile_expression("twice(b)", SCOPE, functions={"TWICE": twice}).expr)["b"].to_list() == [
        0,
        None,
        6,
    ]
    with pytest.raises(ExpressionError, match="`TWICE` needs a number, not text"):
        compile_expression("twice(s)", SCOPE, functions={"TWICE": twice})


def test_what_is_understood_is_told_without_let() -> None:
    assert compiled("a > low  -- why", low="1+1").canonical == "a > (1 + 1)"


_FORMS = (
    "{0}",
    "NOT {0} OR other",
    "{0} IS NULL AND {0} = {0}",
    "CASE WHEN {0} THEN {0} ELSE {0} END",
    "COALESCE({0}, other) IN ({0})",
    "CAST({0} AS BIGINT) + 1 > 2",
)


def test_words_of_sql_are_names_or_reserved() -> None:
    keywords = {word.lower() for word in Tokenizer.KEYWORDS if word.isidentifier()}
    for word in keywords - RESERVED_WORDS:
        scope = {word: ScopeColumn(BOOL), "other": ScopeColumn(BOOL)}
        assert all(word in compile_expression(form.format(word), scope).columns for form in _FORMS), word


_TOKENS = st.sampled_from(
    [
        *"abxyst()+-*/%,.='\"<>;:?@#[]{}|",
        "1",
        "2.5",
        " ",
        "'x'",
        " AND ",
        " OR ",
        "NOT ",
        " IS NULL",
        " IN (",
        " LIKE ",
        "//",
    ]
    + [f"{name}(" for name in (*FUNCTIONS, *FORMS)]
    + [
        "CASE WHEN ",
        " THEN ",
        " END",
        " BETWEEN ",
        "CAST(",
        " AS BIGINT)",
        "SELECT ",
        " FROM ",
        " OVER (",
        "NULL",
        "TRUE",
        "::",
    ]
)


@given(st.one_of(st.text(max_size=30), st.lists(_TOKENS, max_size=15).map("".join)))
def test_whatever_is_written_is_an_expression_or_a_mistake(text: str) -> None:
    with suppress(ExpressionError):
        assert compiled(text).dtype in (INT, DOUBLE, TEXT, BOOL)


@given(st.text(max_size=8), st.text(max_size=3))
def test_text_is_matched_as_it_is_written(text: str, part: str) -> None:
    scope, frame = {"s": ScopeColumn(TEXT)}, pl.DataFrame({"s": [text]})
    literal = part.replace("'", "''")
    texts = {
        f"STRPOS(s, '{literal}')": text.find(part) + 1,
        f"REPLACE(s, '{literal}', '-')": text.replace(part, "-"),
        f"STARTS_WITH(s, '{literal}')": text.startswith(part),
        f"s LIKE '%{literal}'": text.endswith(part),
        f"s LIKE '{literal}%'": text.startswith(part),
        f"s LIKE '%{literal}%'": part in text,
        f"s LIKE '{literal}'": text == part,
    }
    for one, expected in texts.items():
        if "LIKE" not in one or not {"%", "_"} & {*part}:
            assert frame.select(compile_expression(one, scope).expr)["s"].item() == expected, one


@pytest.mark.parametrize(
    "name", ["*", "^a.*$", "^$", "^.*$", "^ [a-z] # $", "^", "$", "a.*", "@a", "é $", 'a "b"', "a\\b\n"]
)
def test_a_name_that_looks_like_a_pattern_is_of_one_column(name: str) -> None:
    values = {"a": 1, "ab": 2, name: 3, " x # ": 4}
    frame = pl.DataFrame({in_frame(column): [value] for column, value in values.items()})
    scope = {column: ScopeColumn(INT) for column in values}
    quoted = '"' + name.replace('"', '""') + '"'
    for text, value in [(quoted, 3), (f"{quoted} + {quoted} * a", 6), (f"COALESCE({quoted}, 0) + ab", 5)]:
        made = compile_expression(text, scope)
        assert frame.select(v=made.expr)["v"].to_list() == [value]
        assert name in made.columns
