"""When a stateful stage wakes: one event-time timer, chained from tick to tick, with its guards."""

from dataclasses import dataclass
from typing import Any

from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp

STAGES = ("track_subscribers", "track_groups", "decide_offers")
"""The stages in their order. Timers of different stages need different names: a fused runner delivers by name."""


@dataclass(frozen=True)
class Alarm:
    """The rule by which one stage wakes.

    A bounded run wakes once, at the end of the global window; an unbounded one at each tick that has something
    to do. A stage wakes 1 ms after the one before it: what was made at a tick carries the tick's own time, and a
    timer at exactly the time of what it waits for comes too early.

    Attributes:
        stage: Name of the stage, one of `STAGES`.
        bounded: Whether the input ends.
    """

    stage: str
    bounded: bool

    def at(self, tick: int, wake: Any, timer: Any) -> None:
        """Set the timer for a tick unless it is set for that or an earlier one.

        Args:
            tick: Milliseconds.
            wake: The state cell that remembers the tick of the timer.
            timer: The timer.
        """
        remembered = wake.read()
        if remembered is None or (tick < remembered and not self.bounded):
            wake.write(tick)
            timer.set(self.time_of(tick))

    def due(self, fired: Timestamp, wake: Any) -> int | None:
        """Return the tick for which the timer was set and forget it; None for a stale or spurious firing."""
        tick: int | None = wake.read()
        if tick is None or fired < self.time_of(tick):
            return None
        wake.clear()
        return tick

    def time_of(self, tick: int) -> Timestamp:
        """Return when the stage wakes for a tick."""
        position = STAGES.index(self.stage)
        if self.bounded:
            last = GlobalWindow().max_timestamp().micros // 1000  # timers travel in whole milliseconds
            return Timestamp(micros=1000 * (last - (len(STAGES) - 1 - position)))
        return Timestamp(micros=1000 * (tick + position))
