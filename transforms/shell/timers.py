"""When a stateful stage wakes: one event-time timer, chained from tick to tick, with its guards."""

from dataclasses import dataclass
from typing import Any

from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp

from schemas.durations import format_duration

STAGES = ("watch_feeds", "track_subscribers", "track_groups", "decide_offers", "guard_offers")
"""The stages in their order. Timers of different stages need different names: a fused runner delivers by name."""


@dataclass(frozen=True)
class Backlog:
    """History that an unbounded job catches up with in spans of many ticks: the same outcome in far fewer steps.

    Spans end at the same event times in all shards and stages, so that no stage runs ahead of another.

    Attributes:
        until: The tick up to which signals are history, milliseconds; the last before a job's launch is a good one.
        span: The length of a span, milliseconds, a multiple of the tick; a shard holds the signals of one.
        last: The last tick, where a stream has one: what is due later never happens.
        lag: How far behind a tick the watermark must be before anything acts there, milliseconds: the grace, where the
            watermark itself does not keep it.
    """

    until: int
    span: int
    last: int | None = None
    lag: int = 0

    def end_of_span(self, tick: int) -> int | None:
        """Return the tick that ends the span in which a tick lies: the tick itself where no history is left.

        History and the stream end spans, too; after the last tick there is none.
        """
        if self.last is not None and tick > self.last:
            return None
        if tick > self.until:
            return tick
        end = min(-(-tick // self.span) * self.span, self.until)
        return end if self.last is None else min(end, self.last)


@dataclass(frozen=True)
class Cuts:
    """When an unbounded run is cut; a bounded one is cut at its end, which is then no end: more may follow.

    Attributes:
        tick: That of the playbook, milliseconds.
        every: The distance of cuts, milliseconds, a multiple of the tick.
    """

    tick: int
    every: int

    def __post_init__(self) -> None:
        if self.every < self.tick or self.every % self.tick:
            told = f"{format_duration(self.every)} between cuts is no multiple of the tick"
            raise ValueError(f"{told}, {format_duration(self.tick)}: --state-every takes multiples of it")

    def at(self, tick: int, backlog: Backlog | None = None) -> int:
        """Return the first cut that is no earlier than a tick; in a backlog at the end of a span.

        The last tick is one, too.
        """
        cut = -(-tick // self.every) * self.every
        if backlog is None:
            return cut
        while (end := backlog.end_of_span(cut)) is not None and end != cut:
            cut = end if end == backlog.last else -(-end // self.every) * self.every
        return cut if end is not None else backlog.last or cut

    def open_at(self, stage: str, stamp: Timestamp) -> int:
        """Return the first tick that is open in a stage, and in those behind it, when an element with a stamp comes."""
        return -(-(stamp.micros // 1000 - STAGES.index(stage)) // self.tick) * self.tick


@dataclass(frozen=True)
class TickTimer:
    """The rule by which one stage wakes.

    A bounded run wakes once, at the end of the global window; an unbounded one at each tick that has something
    to do, or at the end of its span of a backlog. A stage wakes 1 ms after the one before it: what was made at a
    tick carries the tick's own time, and a timer at exactly the time of what it waits for comes too early.

    Attributes:
        stage: Name of the stage, one of `STAGES`.
        bounded: Whether the input ends.
        backlog: History to catch up with.
        cuts: When what the stage knows is given as blobs; None for never.
    """

    stage: str
    bounded: bool
    backlog: Backlog | None = None
    cuts: Cuts | None = None

    @property
    def lag(self) -> int:
        """How long after a tick a stream acts at it, milliseconds of the watermark."""
        return 0 if self.backlog is None else self.backlog.lag

    @property
    def ends(self) -> bool:
        """Whether nothing follows the input: a run that is cut at its end may go on."""
        return self.bounded and self.cuts is None

    def at(self, tick: int, wake: Any, timer: Any) -> None:
        """Set the timer for a tick, or the end of its span, unless it is set for that or an earlier one.

        Args:
            tick: Milliseconds.
            wake: The state cell that remembers the tick of the timer.
            timer: The timer.
        """
        end = tick if self.backlog is None else self.backlog.end_of_span(tick)
        if end is None:
            return
        remembered = wake.read()
        if remembered is None or (end < remembered and not self.bounded):
            wake.write(end)
            timer.set(self.time_of(end))

    def due(self, fired: Timestamp, wake: Any) -> int | None:
        """Return the tick up to which to advance and forget the timer; None for a stale or spurious firing."""
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
        return Timestamp(micros=1000 * (tick + self.lag + position))
