"""Waiting for what comes soon."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is true; fail if it takes too long."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)
