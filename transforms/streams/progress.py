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
    """

    idle: int = 30_000
    patience: int = 300_000
    ends: int | None = None
    replay: bool = False


@dataclass
class Partition:
    """How far a partition was read.

    Attributes:
        heard: When a signal of it came last, or when it became known.
        past: Its greatest event time, by processing time.
        latest: The same now; None before its first signal.
    """

    heard: int
    past: History
    latest: int | None = None


@dataclass
class Progress:
    """How far an input was read.

    Attributes:
        rules: How it counts.
        partitions: By name.
        came: When anything came last, or when it was first asked; None before that.
        ended: Whether it has ended.
    """

    rules: Rules
    partitions: dict[str, Partition] = field(default_factory=dict)
    came: int | None = None
    ended: bool = False

    def asked(self, partitions: Iterable[str], now: int, *, gave: bool, since: int | None = None) -> None:
        """Note that it was read.

        Args:
            partitions: All that it has, another that never had a signal is forgotten; none: it does not tell.
            now: Processing time.
            gave: Whether anything came, good or bad.
            since: When anything came from any input last.
        """
        heard = {name for name, one in self.partitions.items() if one.latest is not None}
        there = {*partitions} or heard or {ALONE}
        self.partitions = {name: one for name, one in self.partitions.items() if name in there | heard}
        for name in there:
            self._partition(name, now)
        self.came = now if gave or self.came is None else self.came
        quiet = now - max(self.came, self.came if since is None else since)
        self.ended = not gave and self.rules.ends is not None and quiet >= self.rules.ends

    def saw(self, latest: Mapping[str, int], now: int) -> None:
        """Note the greatest event times of the signals that came, by partition."""
        for name, time in latest.items():
            one = self._partition(name, now)
            one.heard, one.latest = now, time if one.latest is None else max(one.latest, time)
            one.past.note(now, one.latest)

    def active(self, now: int) -> dict[str, Partition]:
        """Return the partitions that are not idle; none once it has ended."""
        alive = {} if self.ended else self.partitions
        return {name: one for name, one in alive.items() if now - one.heard < self.rules.idle}

    def _partition(self, name: str, now: int) -> Partition:
        if name not in self.partitions:
            self.partitions[name] = Partition(now, History(self.rules.patience))
        return self.partitions[name]
