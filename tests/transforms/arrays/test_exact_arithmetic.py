"""Arithmetic of doubles: exact, and the same for a row alone as among others."""

import ast
import math
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.arrays.exact_arithmetic import (
    Rowwise,
    floor_quotient,
    log2,
    log10,
    power,
    quotient,
    remainder,
    sums,
    unscaled,
)

ROOT = Path(__file__).parents[3]
INEXACT = {"truediv", "pow", "log10", "log1p", "mean", "std", "var", "rolling_sum", "rolling_mean"}
"""Methods of polars that give a row another result beside others, or inexact ones."""


@pytest.mark.parametrize("operation", [quotient, floor_quotient, remainder, power])
def test_null_and_what_is_not_finite_are_null(operation: Rowwise) -> None:
    frame = pl.DataFrame({"a": [None, 1.0, 1e300], "b": [1.0, None, 1e-300]})
    for row in range(3):
        made = operation(pl.col("a"), pl.col("b")) if row < 2 else quotient(pl.col("a"), pl.col("b"))
        assert frame[row : row + 1].select(v=made)["v"].to_list() == [None]
    copy = pickle.loads(pickle.dumps(operation(pl.col("a"), pl.lit(3.0))))
    assert frame.select(v=copy).height == 3


@pytest.mark.parametrize("rows", [0, 1, 2, 1_000])
def test_a_shared_operand_is_like_any_other(rows: int) -> None:
    frame = pl.DataFrame({"x": [49.0] * rows}, schema={"x": pl.Float64})
    made = frame.select(quotient(pl.col("x"), pl.lit(49)).alias("q"), power(pl.col("x"), pl.lit(3)).alias("p"))
    assert made.rows() == [(1.0, math.pow(49, 3))] * rows


def test_logarithms_of_whole_powers_are_whole() -> None:
    tens, twos = range(-300, 300), range(-1070, 1020)
    assert pl.DataFrame({"x": [float(f"1e{n}") for n in tens]}).select(log10(pl.col("x")))["x"].to_list() == [*tens]
    assert pl.DataFrame({"x": [2.0**n for n in twos]}).select(log2(pl.col("x")))["x"].to_list() == [*twos]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.integers(0, 25))
def test_decimals_become_the_nearest_doubles(numbers: list[int], scale: int) -> None:
    assert unscaled(np.array(numbers, np.int64), scale).tolist() == [number / 10**scale for number in numbers]


def test_every_cent_becomes_the_nearest_double() -> None:
    cents = np.arange(100_000)
    assert unscaled(cents, 2).tolist() == [cent / 100 for cent in range(100_000)]
    assert unscaled(np.array([7, 2**62, 0]), 6, np.array([3, 7, 0])).tolist()[:2] == [7 / 3e6, 2**62 / 7_000_000]
    assert np.isnan(unscaled(np.array([0]), 6, np.array([0]))).all()


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-1e15, 1e15))))
def test_sums_are_rounded_once(rows: list[tuple[int, float]]) -> None:
    groups, values = np.array([group for group, _ in rows], np.int64), np.array([value for _, value in rows])
    expected = [float(sum((Fraction(value) for group, value in rows if group == one), Fraction())) for one in range(5)]
    assert sums(groups, values, 5).tolist() == expected


def test_a_sum_may_be_too_large_on_its_way() -> None:
    assert sums(np.array([0, 0, 0, 1, 1, 1]), np.array([1e308, 1e308, -1e308] + [1e308] * 3), 2).tolist() == [
        1e308,
        math.inf,
    ]


def _raw(file: Path) -> list[str]:
    """Return where a file divides, or calls what is inexact."""
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    divisions = [node for node in nodes if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)]
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    inexact = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in INEXACT]
    return [ast.unparse(node) for node in (*divisions, *inexact)]


PLAIN = {
    "transforms/context/conditions/fading.py": 2,
    "transforms/decision/exploration.py": 2,
    "transforms/parsing/checks.py": 1,
    "transforms/statistics/feature_words.py": 1,
    "transforms/statistics/segment_profiles.py": 1,
    "transforms/streams/kafka_client.py": 1,
    "transforms/streams/pubsub_client.py": 1,
    "transforms/write_stream.py": 1,
}
"""How often files divide what is no column of polars: Python's numbers, numpy's columns, paths."""


def test_only_one_module_divides_columns() -> None:
    files = {str(file.relative_to(ROOT)): _raw(file) for file in sorted((ROOT / "transforms").rglob("*.py"))}
    del files["transforms/arrays/exact_arithmetic.py"]
    told = {name: found for name, found in files.items() if len(found) != PLAIN.get(name, 0)}
    assert not told, "divide with transforms.arrays.exact_arithmetic: polars' results depend on the other rows"


def test_nothing_divides_expressions_of_polars() -> None:
    files = {file: _raw(file) for part in ("pipelines", "schemas") for file in (ROOT / part).rglob("*.py")}
    assert not {str(file): found for file, found in files.items() if any("pl." in text for text in found)}
