"""An iterator that is one item ahead of who uses it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the items, each made on another thread while the one before is used; their order and errors stay.

    Reading a file leaves the interpreter to others: where a second core is free it costs no time.
    """
    with ThreadPoolExecutor(1, "ahead") as reader:
        coming = reader.submit(_next, items)
        while found := coming.result():
            coming = reader.submit(_next, items)
            yield found[0]


def _next(items: Iterator[T]) -> tuple[T, ...]:
    """Return the next item alone, nothing at the end."""
    return tuple(islice(items, 1))
