"""The watermark of several inputs in partitions: what no signal to come should be before."""

from collections.abc import Mapping

from transforms.streams.history import History
from transforms.streams.progress import Partition, Progress, Rules

ENDED = 1 << 62
"""The watermark when all inputs have ended."""

Name = tuple[str, str]
"""Of a partition: the label of its input, and what that calls it."""


class Watermark:
    """The least of the greatest times of all partitions, less the grace; it never goes back.

    A partition without a signal yet holds it. One that is idle does not count; are all idle, then the clock does, less
    how long they may be idle, unless one of them is a replay. One is left out while it is behind where the foremost was
    a patience ago and does not catch up: since then it moved less than a quarter faster than the clock.
    """

    def __init__(self, grace: int, patience: int, told: int | None = None) -> None:
        """Take the grace, the longest patience and where the watermark stood, milliseconds."""
        self._grace = grace
        self._foremost = History(patience)
        self.told = told
        self.left_out: frozenset[Name] = frozenset()

    def advance(self, inputs: Mapping[str, Progress], now: int) -> int | None:
        """Return the watermark at a processing time; None: nothing is known yet."""
        alive = [one for one in inputs.values() if not one.ended]
        if not alive:
            self.told = ENDED
        elif all(one.came is not None for one in alive):
            reached = self._reached(inputs, alive, now)
            if reached is not None:
                self.told = reached if self.told is None else max(self.told, reached)
        return self.told

    def unheard(self, time: int) -> None:
        """Leave out of all patience a time, milliseconds, in which nobody listened."""
        self._foremost.shift(time)

    def _reached(self, inputs: Mapping[str, Progress], alive: list[Progress], now: int) -> int | None:
        """Return where the watermark would stand by what is known now."""
        rules = {label: one.rules for label, one in inputs.items()}
        active = {(label, name): part for label, one in inputs.items() for name, part in one.active(now).items()}
        self.left_out = frozenset()
        if not active:
            replay = any(one.rules.replay for one in alive)
            return None if replay else now - max(one.rules.idle for one in alive) - self._grace
        times = [part.latest for part in active.values() if part.latest is not None]
        if times:
            self._foremost.note(now, max(times))
            self.left_out = frozenset(
                name for name, part in active.items() if self._is_behind(part, rules[name[0]], max(times), now)
            )
        waited = [
            part.reached(now, rules[name[0]].scatter) for name, part in active.items() if name not in self.left_out
        ]
        return None if None in waited else min(time for time in waited if time is not None) - self._grace

    def _is_behind(self, part: Partition, rules: Rules, foremost: int, now: int) -> bool:
        """Return whether a partition has held the watermark for too long and does not catch up."""
        then = now - rules.patience
        passed, before = self._foremost.at(then), part.past.at(then)
        if part.latest is None or passed is None or before is None:
            return False
        return part.latest < min(passed, foremost) and 4 * (part.latest - before) < 5 * rules.patience
