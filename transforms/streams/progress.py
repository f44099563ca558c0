"""How far each partition of an input was read, in event time and in processing time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from transforms.streams.history import History

ALONE = ""
"""The partition of an input that tells none."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How an input counts; milliseconds of processing time.

    Attributes:
        idle: A partition from which nothing came for so long does not count.
        patience: So long a partition that does not catch up may hold the watermark.
        ends: The input ends when nothing came for so long from any input; None: never.
        replay: Whether event times are of long ago: the clock takes the place of none.
        scatter: How much sooner than others of a backlog a signal may come, where a broker keeps no order.
    """

    idle: int = 30_000
    patience: int = 300_000
    ends: int | None = None
    replay: bool = False
    scatter: int = 0


@dataclass
class Partition:
    """How far a partition was read.

    Attributes:
        heard: When a signal of it came last, or when it became known.
        past: Its greatest event time, by processing time.
        latest: The same now; None before its first signal.
        lately: The same of the last moments, finer; of a backlog no later than its oldest signal was published.
        backlog: Whether what came last had waited at a broker that keeps no order.
    """

    heard: int
    past: History
    lately: History
    latest: int | None = None
    backlog: bool = False

    def reached(self, now: int, scatter: int) -> int | None:
        """Return the time before which nothing should come: while a backlog comes, what was known a while ago."""
        return self.lately.at(now - scatter) if self.backlog and now - self.heard < scatter else self.latest


@dataclass
class Progress:
    """How far an input was read.

    Attributes:
        rules: How it counts.
        partitions: By name.
        came: When anything came last, or when it was first asked; None before that.
        silent: Whether it gave nothing when it was asked last.
        ended: Whether it has ended.
    """

    rules: Rules
    partitions: dict[str, Partition] = field(default_factory=dict)
    came: int | None = None
    silent: bool = False
    ended: bool = False

    def asked(self, partitions: Iterable[str], now: int, *, gave: bool, settled: bool = True) -> None:
        """Note that it was read.

        Args:
            partitions: All that it has, another that never had a signal is forgotten; none: it does not tell.
            now: Processing time.
            gave: Whether anything came, good or bad.
            settled: Whether silence means that nothing is there, see `Pulled`.
        """
        heard = {name for name, one in self.partitions.items() if one.latest is not None}
        there = {*partitions} or heard or {ALONE}
        self.partitions = {name: one for name, one in self.partitions.items() if name in there | heard}
        for name in there:
            one = self._partition(name, now)
            one.heard = one.heard if settled else now
        self.came = now if gave or not settled or self.came is None else self.came
        self.silent = settled and not gave

    def unheard(self, time: int) -> None:
        """Leave out of all silence and patience a time, milliseconds, in which nobody listened."""
        self.came = None if self.came is None else self.came + time
        for one in self.partitions.values():
            one.heard += time
            one.past.shift(time)
            one.lately.shift(time)

    def awaited(self, now: int) -> None:
        """Note that an answer is overdue: until it comes, silence makes nothing idle."""
        for one in self.partitions.values():
            one.heard = now

    def listened(self, now: int, since: int | None) -> None:
        """End where nothing came for long enough.

        Args:
            now: When it was asked what it answered last.
            since: When anything came from any input last.
        """
        heard = max((at for at in (self.came, since) if at is not None), default=now)
        quiet = self.silent and self.rules.ends is not None and now - heard >= self.rules.ends
        self.ended = self.ended or quiet

    def saw(self, latest: Mapping[str, int], now: int, published: int | None = None) -> None:
        """Note the greatest event times of the signals that came, by partition, and when the oldest was published."""
        waits = published is not None and 0 < self.rules.scatter < now - published
        for name, time in latest.items():
            one = self._partition(name, now)
            one.backlog = waits or (one.backlog and one.heard == now)  # another block of the same pull
            one.heard, one.latest = now, time if one.latest is None else max(one.latest, time)
            one.past.note(now, one.latest)
            one.lately.note(now, one.latest if published is None else min(one.latest, published))

    def active(self, now: int) -> dict[str, Partition]:
        """Return the partitions that are not idle; none once it has ended."""
        alive = {} if self.ended else self.partitions
        return {name: one for name, one in alive.items() if now - one.heard < self.rules.idle}

    def _partition(self, name: str, now: int) -> Partition:
        if name not in self.partitions:
            self.partitions[name] = Partition(now, History(self.rules.patience), History(self.rules.scatter))
        return self.partitions[name]
