"""What a value was a while ago."""

from collections import deque

_SAMPLES = 64


class History:
    """A value over time, as far back as asked for, kept at some moments."""

    def __init__(self, span: int) -> None:
        """Take how far back it goes."""
        self._span = span
        self._seen: deque[tuple[int, int]] = deque()

    def note(self, now: int, value: int) -> None:
        """Note what the value is; times do not go back."""
        if not self._seen or now - self._seen[-1][0] >= max(1, self._span // _SAMPLES):
            self._seen.append((now, value))
        while len(self._seen) > 1 and self._seen[1][0] <= now - self._span:
            self._seen.popleft()

    def shift(self, time: int) -> None:
        """Let all of it have been so much later."""
        self._seen = deque((then + time, value) for then, value in self._seen)

    def at(self, moment: int) -> int | None:
        """Return what the value was at a moment, or shortly before; None if that is not known."""
        return next((value for then, value in reversed(self._seen) if then <= moment), None)
