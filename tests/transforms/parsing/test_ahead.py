"""An iterator that is one ahead gives the same items and errors, and no more than one too many."""

from collections.abc import Iterator
from threading import current_thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.parsing.ahead import ahead


@given(st.lists(st.none() | st.integers()))
def test_items_and_their_order_stay(items: list[int | None]) -> None:
    assert list(ahead(iter(items))) == items


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("torn")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="torn"):
        next(found)


def test_one_item_is_made_ahead_on_another_thread() -> None:
    made = []

    def items() -> Iterator[int]:
        for item in range(9):
            made.append((item, current_thread().name.startswith("ahead")))
            yield item

    found = ahead(items())
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert made == [(0, True), (1, True)]
