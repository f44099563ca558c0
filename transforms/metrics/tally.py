"""What this process counted and measured."""

from collections import defaultdict
from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

Key = tuple[str, str]
"""Namespace and name, as Beam has them."""


class Summary(NamedTuple):
    """Whole numbers that were observed: how many, their sum, the greatest."""

    times: int = 0
    total: int = 0
    greatest: int = 0

    def with_one(self, value: int) -> "Summary":
        """Return it with one more."""
        greatest = max(self.greatest, value) if self.times else value
        return Summary(self.times + 1, self.total + value, greatest)


Values = Mapping[Key, int | float | Summary]
"""What counters, gauges and distributions hold."""


class Tally:
    """What was counted since this process began. A bundle that Beam repeats counts again; any thread may call it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[Key, int] = defaultdict(int)
        self._others: dict[Key, int | float | Summary] = {}

    def add(self, namespace: str, name: str, count: int) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[namespace, name] += count

    def set(self, namespace: str, name: str, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            self._others[namespace, name] = value

    def observe(self, namespace: str, name: str, value: int) -> None:
        """Add one to a distribution."""
        with self._lock:
            before = self._others.get((namespace, name), Summary())
            assert isinstance(before, Summary), "a gauge of the same name"
            self._others[namespace, name] = before.with_one(value)

    def values(self) -> dict[Key, int | float | Summary]:
        """Return a copy of all."""
        with self._lock:
            return {**self._counts, **self._others}


TALLY = Tally()
"""Of this process."""
