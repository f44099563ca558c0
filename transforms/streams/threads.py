"""Where addresses are asked: each on a thread of its own, so that none waits for another."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_POOLS: dict[str, ThreadPoolExecutor] = {}
_LOCK = threading.Lock()


def on_its_thread(label: str, what: Callable[[], T]) -> "Future[T]":
    """Do something on the thread of a label, after all else that is to be done there: never two things at once."""
    with _LOCK:
        if label not in _POOLS:
            _POOLS[label] = ThreadPoolExecutor(1, f"pull {label}")
        return _POOLS[label].submit(what)
