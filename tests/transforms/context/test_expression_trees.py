"""Random expressions agree with a tiny evaluator in Python, row by row, NULLs, overflow and infinities included.

Each row has the same value alone, among others, and where all rows are alike.
"""

import decimal
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl
from hypothesis import assume, example, given
from hypothesis import strategies as st

from transforms.compiler.compile_expression import ExpressionError, ScopeColumn, compile_expression
from transforms.compiler.sql.values import BOOL, DOUBLE, INT

Known = bool | int | float | None
Row = Mapping[str, Known]

SCOPE = {
    **{name: ScopeColumn(INT) for name in ("i", "j")},
    **{name: ScopeColumn(DOUBLE) for name in ("x", "y")},
    **{name: ScopeColumn(BOOL) for name in ("p", "q")},
}


@dataclass(frozen=True)
class Tree:
    """An expression as text, as what it means for one row, and whether that is a double."""

    text: str
    of: Callable[[Row], Known]
    double: bool = False


def _fit(value: Known) -> Known:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or -(2**63) <= value < 2**63 else None


def _mixed(a: Known, b: Known) -> tuple[Known, Known]:
    """A whole number beside a double is one."""
    return (float(a), float(b)) if float in (type(a), type(b)) else (a, b)  # type: ignore[arg-type]


def _strict(form: str, operation: Callable[..., Known], *, double: bool = False) -> Callable[..., Tree]:
    """A form whose value is NULL where an operand is, a double where it says so or an operand is one."""

    def build(*parts: Tree) -> Tree:
        def of(row: Row) -> Known:
            known = [part.of(row) for part in parts]
            return None if None in known else _fit(operation(*(_mixed(*known) if len(known) == 2 else known)))

        return Tree(form.format(*(part.text for part in parts)), of, double or any(part.double for part in parts))

    return build


def _divide(a: float, b: float) -> Known:
    return None if b == 0 else float(a) / float(b)


def _whole(a: float, b: float) -> Known:
    if isinstance(a, int) and isinstance(b, int):
        return a // b if b else None
    quotient = _fit(_divide(a, b))
    return None if quotient is None else float(math.floor(quotient))


def _modulo(a: float, b: float) -> Known:
    if isinstance(a, int) and isinstance(b, int):
        return a % b if b else None
    whole = _whole(a, b)
    return None if whole is None else a - b * whole


def _of_doubles(function: Callable[..., float]) -> Callable[..., Known]:
    """A function that is NULL where Python says that there is no result."""

    def apply(*numbers: float) -> Known:
        try:
            return function(*map(float, numbers))
        except (ValueError, OverflowError, decimal.DecimalException):
            return None

    return apply


def _log2(x: float) -> float:
    with decimal.localcontext(prec=60):
        return float(decimal.Decimal(x).ln() / decimal.Decimal(2).ln())


def _log10(x: float) -> float:
    with decimal.localcontext(prec=60):
        return float(decimal.Decimal(x).log10())


def _rounded(x: float) -> Known:
    """ROUND(x, 2): halves of what is 100 times as much go away from zero."""
    if isinstance(x, int):
        return x
    hundred = decimal.Decimal(x * 100).to_integral_value(decimal.ROUND_HALF_UP) if math.isfinite(x * 100) else None
    return x if hundred is None else float(hundred) / 100


def _and(a: Known, b: Known) -> Known:
    return False if a is False or b is False else None if None in (a, b) else True


def _not(a: Known) -> Known:
    return None if a is None else not a


def _less(a: Known, b: Known) -> Known:
    return None if a is None or b is None else operator.le(*_mixed(a, b))  # type: ignore[arg-type]


def _between(x: Tree, low: Tree, high: Tree) -> Tree:
    text = f"({x.text} BETWEEN {low.text} AND {high.text})"
    return Tree(text, lambda row: _and(_less(low.of(row), x.of(row)), _less(x.of(row), high.of(row))))


def _in(*parts: Tree) -> Tree:
    def of(row: Row) -> Known:
        known = [part.of(row) for part in parts]
        if any(part.double for part in parts):
            known = [None if one is None else float(one) for one in known]
        equal = [None if None in (known[0], one) else known[0] == one for one in known[1:]]
        return True if True in equal else None if None in equal else False

    x, *options = (part.text for part in parts)
    return Tree(f"({x} IN ({', '.join(options)}))", of)


def _chosen(text: str, of: Callable[[Row], Known], *branches: Tree) -> Tree:
    """All branches have one type."""

    def as_double(row: Row) -> Known:
        value = of(row)
        return None if value is None else float(value)

    double = any(branch.double for branch in branches)
    return Tree(text, as_double if double else of, double)


def _case(p: Tree, a: Tree, q: Tree, b: Tree) -> Tree:
    text = f"CASE WHEN {p.text} THEN {a.text} WHEN {q.text} THEN {b.text} END"
    return _chosen(text, lambda row: a.of(row) if p.of(row) is True else b.of(row) if q.of(row) is True else None, a, b)


def _coalesce(a: Tree, b: Tree) -> Tree:
    text = f"COALESCE({a.text}, {b.text})"
    return _chosen(text, lambda row: b.of(row) if a.of(row) is None else a.of(row), a, b)


def _null(x: Tree) -> Tree:
    return Tree(f"({x.text} IS NULL)", lambda row: x.of(row) is None)


def _both(p: Tree, q: Tree) -> Tree:
    return Tree(f"({p.text} AND {q.text})", lambda row: _and(p.of(row), q.of(row)))


def _either(p: Tree, q: Tree) -> Tree:
    return Tree(f"({p.text} OR {q.text})", lambda row: _not(_and(_not(p.of(row)), _not(q.of(row)))))


def _no(p: Tree) -> Tree:
    return Tree(f"(NOT {p.text})", lambda row: _not(p.of(row)))


_WHOLES = st.one_of(st.integers(0, 100), st.sampled_from([2**31, 2**53 + 1, 2**62, 2**63 - 1]))
_DOUBLES = st.one_of(
    st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.5, 3.0, 7.0, 49.0, 69.9, 100.0, 1e-300, 1e17, 1e300]),
    st.floats(0, 1e9),
)
_BINARY = [
    _strict("({} + {})", operator.add),
    _strict("({} - {})", operator.sub),
    _strict("({} * {})", operator.mul),
    _strict("({} / {})", _divide, double=True),
    _strict("({} // {})", _whole),
    _strict("({} % {})", _modulo),
    _strict("POW({}, {})", _of_doubles(math.pow), double=True),
]
_UNARY = [
    _strict("(-{})", operator.neg),
    _strict("ABS({})", abs),
    _strict("ROUND({}, 2)", _rounded),
    _strict("SQRT({})", _of_doubles(math.sqrt), double=True),
    _strict("EXP({})", _of_doubles(math.exp), double=True),
    _strict("LN({})", _of_doubles(math.log), double=True),
    _strict("LOG2({})", _of_doubles(_log2), double=True),
    _strict("LOG10({})", _of_doubles(_log10), double=True),
    _strict("CAST({} AS DOUBLE)", float, double=True),
    _strict("CAST(CAST({} AS VARCHAR) AS DOUBLE)", float, double=True),
]
_ORDERS = [("=", operator.eq), ("<>", operator.ne), ("<", operator.lt), (">=", operator.ge)]
_COMPARISONS = [_strict(f"({{}} {sign} {{}})", compare) for sign, compare in _ORDERS]


def _column(name: str) -> Tree:
    return Tree(name, lambda row: row[name], name in "xy")


def _number(value: float) -> Tree:
    return Tree(repr(value), lambda row: value, isinstance(value, float))


def _columns(names: str) -> st.SearchStrategy[Tree]:
    return st.sampled_from([*names]).map(_column)


NUMBERS: st.SearchStrategy[Tree] = st.deferred(
    lambda: st.one_of(
        _columns("ijxy"),
        st.one_of(_WHOLES, _DOUBLES).map(_number),
        st.builds(lambda build, a: build(a), st.sampled_from(_UNARY), NUMBERS),
        st.builds(lambda build, a, b: build(a, b), st.sampled_from(_BINARY), NUMBERS, NUMBERS),
        st.builds(_coalesce, NUMBERS, NUMBERS),
        st.builds(_case, TRUTHS, NUMBERS, TRUTHS, NUMBERS),
    )
)
TRUTHS: st.SearchStrategy[Tree] = st.deferred(
    lambda: st.one_of(
        _columns("pq"),
        st.builds(lambda build, a, b: build(a, b), st.sampled_from(_COMPARISONS), NUMBERS, NUMBERS),
        st.builds(_between, NUMBERS, NUMBERS, NUMBERS),
        st.builds(_in, NUMBERS, NUMBERS, NUMBERS),
        st.builds(_null, NUMBERS | TRUTHS),
        st.builds(_both, TRUTHS, TRUTHS),
        st.builds(_either, TRUTHS, TRUTHS),
        st.builds(_no, TRUTHS),
        st.builds(_coalesce, TRUTHS, TRUTHS),
    )
)
_INT_CELLS = st.one_of(st.none(), _WHOLES, _WHOLES.map(operator.neg), st.just(-(2**63)))
_DOUBLE_CELLS = st.one_of(st.none(), _DOUBLES, _DOUBLES.map(operator.neg))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            **dict.fromkeys("ij", _INT_CELLS),
            **dict.fromkeys("xy", _DOUBLE_CELLS),
            **dict.fromkeys("pq", st.sampled_from([None, True, False])),
        }
    ),
    min_size=1,
    max_size=5,
)


SIZES = (1, 2, 7, 1_000)


def _frames(rows: list[Row]) -> Iterator[tuple[pl.DataFrame, list[Row]]]:
    """Yield the rows among so many others, then each as often: as columns, and as columns of one value for all."""
    schema = {name: column.dtype for name, column in SCOPE.items()}
    for size in SIZES:
        mixed = [rows[number % len(rows)] for number in range(size)]
        yield pl.DataFrame(mixed, schema=schema), mixed
    for row in rows:
        yield pl.DataFrame([row] * 2, schema=schema), [row] * 2
        same = {name: pl.lit(row[name], dtype=dtype) for name, dtype in schema.items()}
        yield pl.DataFrame({"row": range(3)}).select(pl.repeat(0, pl.len()), **same), [row] * 3


_X, _I, _SEVEN = _column("x"), _column("i"), _number(7)
_ROW: Row = {"i": 49, "j": 3, "x": 69.9, "y": 0.1, "p": True, "q": None}
_OTHER: Row = {"i": 1, "j": -7, "x": 9007.0001, "y": None, "p": False, "q": True}


@given(NUMBERS | TRUTHS, ROWS)
@example(_BINARY[3](_I, _number(49)), [_ROW, _OTHER])
@example(_BINARY[4](_X, _number(0.1)), [_ROW, _OTHER])
@example(_BINARY[5](_X, _number(3.7)), [_ROW, _OTHER])
@example(_BINARY[6](_X, _number(2)), [_ROW, _OTHER])
@example(_BINARY[6](_number(1.1), _X), [_ROW, _OTHER])
@example(_BINARY[3](_X, _case(_column("p"), _SEVEN, _column("q"), _number(49))), [_ROW, _OTHER])
@example(_BINARY[3](_X, _coalesce(_SEVEN, _I)), [_ROW, _OTHER])
def test_random_expressions_mean_the_same_to_polars_and_python(tree: Tree, rows: list[Row]) -> None:
    try:
        expression = compile_expression(tree.text, SCOPE)
    except ExpressionError as error:
        assume("divides by zero" not in error.message)
        raise
    assert expression.dtype == (BOOL if expression.dtype == BOOL else DOUBLE if tree.double else INT)
    expected = {id(row): tree.of(row) for row in rows}
    for frame, of in _frames(rows):
        assert frame.select(value=expression.expr)["value"].to_list() == [expected[id(row)] for row in of]
