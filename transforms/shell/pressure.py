"""How late the stages of this process act; reading waits for them, as not every engine makes it wait."""

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST_LATE = 5.0
"""Seconds after a tick could act, from which on nothing more is read: a stage that keeps up is done by then."""

STALE = 2.0
"""Seconds for which it counts how late a stage was, from the end of its call on: one that is silent sleeps."""

_KEPT = 4_096


class Pressure:
    """What was told of the watermark and when, and how long after it stages act; safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing; the clock gives seconds."""
        self._clock, self._lock, self._calls = clock, threading.Lock(), Counter[str]()
        self.forget()

    def forget(self) -> None:
        """Begin anew, as another stream does."""
        with self._lock:
            self._watermarks: list[int] = []
            self._times: list[float] = []
            self._late: dict[str, tuple[float, float]] = {}

    def told(self, watermark: int) -> None:
        """Note the watermark of all that is read, milliseconds, which does not go back."""
        with self._lock:
            if self._watermarks and watermark <= self._watermarks[-1]:
                return
            self._watermarks.append(watermark)
            self._times.append(self._clock())
            if len(self._watermarks) > _KEPT:
                del self._watermarks[: _KEPT // 2], self._times[: _KEPT // 2]

    def acts(self, stage: str, tick: int) -> None:
        """Note that a stage acts at a tick, milliseconds."""
        with self._lock:
            place, now = bisect_left(self._watermarks, tick), self._clock()
            if place < len(self._times):
                self._late[stage] = now - self._times[place], now

    @contextmanager
    def call(self, stage: str) -> Iterator[None]:
        """Note that a stage is at work, however long that takes."""
        with self._lock:
            self._calls[stage] += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls[stage] -= 1
                late, _ = self._late.get(stage, (0.0, 0.0))
                self._late[stage] = late, self._clock()

    def is_high(self) -> bool:
        """Tell whether a stage is late, by what it does or did last."""
        with self._lock:
            now = self._clock()
            return any(
                late > MOST_LATE and (self._calls[stage] > 0 or now - at < STALE)
                for stage, (late, at) in self._late.items()
            )


PRESSURE = Pressure()
"""Of this process."""
