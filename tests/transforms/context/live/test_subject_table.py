"""A table by subject against a plain list of rows: whatever is added and dropped, and whoever is asked for."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from transforms.context.live.subject_table import Chosen, SubjectTable

SUBJECTS = 5
CODES = st.integers(0, SUBJECTS - 1)
ROWS = st.lists(st.tuples(CODES, st.integers(0, 9)), max_size=8)
SOME = st.lists(CODES, unique=True, max_size=3)
STEPS = st.lists(st.one_of(st.tuples(st.just("add"), ROWS), st.tuples(st.just("drop"), SOME)), max_size=5)


def frame(rows: list[tuple[int, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, {"code": pl.Int64, "value": pl.Int64}, orient="row")


@given(ROWS, st.integers(3, SUBJECTS), STEPS, SOME)
def test_it_is_a_list_of_rows(
    first: list[tuple[int, int]], known: int, steps: list[tuple[str, list[tuple[int, int]]]], asked: list[int]
) -> None:
    rows = sorted(row for row in first if row[0] < known)
    table = SubjectTable(frame(rows), known)
    for step, what in steps:
        if step == "add":
            table.add(frame(what))
            rows = rows + what
        else:
            table.drop(Chosen(np.array(what, np.int64), SUBJECTS))
            rows = [row for row in rows if row[0] not in what]
    wanted = [(new, value) for new, code in enumerate(asked) for of, value in rows if of == code]
    assert table.of(Chosen(np.array(asked, np.int64), SUBJECTS)).rows() == wanted
    new_ones_first = (np.arange(SUBJECTS) + SUBJECTS - known) % SUBJECTS
    every = [(new, value) for new in range(SUBJECTS) for of, value in rows if new_ones_first[of] == new]
    assert table.all(new_ones_first).rows() == every
