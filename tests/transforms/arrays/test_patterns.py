"""Rows of which there are few different ones."""

import numpy as np
import pytest

from transforms.arrays.patterns import patterns_of, texts_of


@pytest.mark.parametrize("rows", [[[1, -1], [0, 1], [1, -1]], [[7]], np.empty((0, 3))])
def test_a_number_stands_for_its_row(rows: list[list[int]]) -> None:
    whole = np.asfortranarray(rows, np.int16)
    numbers, patterns = patterns_of(whole)
    assert len(patterns) == len({*map(tuple, whole.tolist())})
    assert patterns[numbers].tolist() == whole.tolist()


@pytest.mark.parametrize("numbers", [[0, 1, 1, 0, 2], [2], []])
def test_the_texts_of_one_pattern_follow_the_other(numbers: list[int]) -> None:
    patterns = [["a", None, "ü"], ["", "bcd", "e"], [None, None, None]]
    column = texts_of(patterns, np.array(numbers, np.int64))
    column.validate(full=True)
    assert column.to_pylist() == [text for number in numbers for text in patterns[number]]


def test_more_text_than_a_column_holds_is_refused() -> None:
    with pytest.raises(OverflowError, match="do not fit"):
        texts_of([["x" * 1_000_000]], np.zeros(3_000, np.int64))
