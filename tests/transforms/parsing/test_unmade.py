"""A map that gives NULL for a value that is there is a mistake, unless it asks for NULL."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from schemas.contracts import contract
from schemas.sources import Source, SourceConfig
from transforms.parsing.mapping import compile_mapper
from transforms.parsing.problems import Problems
from transforms.parsing.raw import raw_block
from transforms.parsing.unmade import unmade

CASES: list[tuple[str, dict[str, Any], list[bool]]] = [
    ("CAST(a AS DOUBLE)", {"a": ["1.5", "x", None]}, [False, True, False]),
    ("CAST(REPLACE(a, ',', '.') AS DOUBLE)", {"a": ["1,5", "1,5,5"]}, [False, True]),
    ("TRY_CAST(a AS DOUBLE)", {"a": ["1.5", "x"]}, [False, False]),
    ("TRY_CAST(a AS DOUBLE) * 2", {"a": ["1.5", "x"]}, [False, False]),
    ("CAST(NULLIF(a, '-') AS DOUBLE)", {"a": ["1.5", "-", "x"]}, [False, False, True]),
    ("CASE WHEN a = '-' THEN NULL ELSE CAST(a AS DOUBLE) END", {"a": ["1", "-", "x"]}, [False, False, True]),
    ("CASE WHEN a = '-' THEN 1.0 END", {"a": ["1", "-", "x"]}, [False, False, False]),
    ("CASE b WHEN 'n' THEN CAST(a AS DOUBLE) END", {"a": ["x", "x"], "b": ["n", "t"]}, [True, False]),
    ("IF(b = 'n', CAST(a AS DOUBLE), NULL)", {"a": ["x", "x"], "b": ["n", "t"]}, [True, False]),
    ("COALESCE(CAST(a AS DOUBLE), 0.0)", {"a": ["x", "1"]}, [False, False]),
    ("COALESCE(CAST(a AS DOUBLE), CAST(b AS DOUBLE))", {"a": ["x", "x"], "b": ["1", None]}, [False, True]),
    ("CAST(a AS DOUBLE) + CAST(b AS DOUBLE)", {"a": ["1", "1", "x"], "b": ["x", None, None]}, [True, False, True]),
    ("n / m", {"n": [1, 1, 1], "m": [2, 0, None]}, [False, True, False]),
    ("n * 9223372036854775807.0", {"n": [1, 2]}, [False, False]),
    ("d + 1", {"d": [1.0, float("inf"), float("nan")]}, [False, True, True]),
    ("FROM_EPOCH_S(d)", {"d": [1.0, 1e300]}, [False, True]),
    ("FROM_ISO(a)", {"a": ["2026-03-02", "02.03.2026", None]}, [False, True, False]),
]


@pytest.mark.parametrize(("text", "columns", "lost"), CASES, ids=[text for text, _, _ in CASES])
def test_values_that_are_there_do_not_become_null(text: str, columns: dict[str, Any], lost: list[bool]) -> None:
    config = {"map": {"id": "'i'", "time": "0", "subject": "'s'", "mb": text}, "columns": {}}
    source = Source(contract("usage"), SourceConfig.model_validate(config))
    arrays = [pa.array(values) for values in columns.values()]
    block = raw_block(arrays, list(columns), np.arange(len(lost)), "row")
    mapper = compile_mapper(source, ("mb",), {name: array.type for name, array in zip(columns, arrays, strict=True)})
    problems = Problems(len(lost))
    mapper(block, problems)
    assert [row for row, _, _ in problems.bad()] == [row for row, bad in enumerate(lost) if bad]
    assert {reason for _, reason, _ in problems.bad()} <= {"map_gives_null", "non_finite"}


@pytest.mark.parametrize("text", ["a", "REPLACE(a, ',', '')", "a = 'x'", "a || b", "1 + 1", "CAST('1' AS DOUBLE)"])
def test_what_never_fails_costs_nothing(text: str) -> None:
    assert unmade(text) is None
