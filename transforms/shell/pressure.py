"""How late the stages of this process act; reading waits for them, as not every engine makes it wait."""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST_LATE = 5.0
"""Seconds after a tick could act, from which on nothing more is read: a stage that keeps up is done by then."""

STALE = 2.0
"""Seconds for which it counts how late a stage was, from the end of its call on: one that is silent sleeps."""

_KEPT = 4_096

_Call = tuple[str, int]
"""A stage at work, and the thread on which it is: shards of a stage are on several."""


def _here(stage: str) -> _Call:
    return stage, threading.get_ident()


class Pressure:
    """What was told of the watermark and when, and how long after it stages act; safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing; the clock gives seconds."""
        self._clock, self._lock, self._calls = clock, threading.Lock(), set[_Call]()
        self.forget()

    def forget(self) -> None:
        """Begin anew, as another stream does."""
        with self._lock:
            self._watermarks: list[int] = []
            self._times: list[float] = []
            self._late: dict[_Call, tuple[float, float]] = {}

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
                self._late[_here(stage)] = now - self._times[place], now

    @contextmanager
    def call(self, stage: str) -> Iterator[None]:
        """Note that a stage is at work, however long that takes."""
        call = _here(stage)
        with self._lock:
            self._calls.add(call)
        try:
            yield
        finally:
            with self._lock:
                self._calls.discard(call)
                late, _ = self._late.get(call, (0.0, 0.0))
                self._late[call] = late, self._clock()

    def is_high(self) -> bool:
        """Tell whether a stage is late, by what it does or did last."""
        with self._lock:
            now = self._clock()
            return any(
                late > MOST_LATE and (call in self._calls or now - at < STALE)
                for call, (late, at) in self._late.items()
            )


PRESSURE = Pressure()
"""Of this process."""
