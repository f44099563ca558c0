"""Several addresses read as one: in turn, parsed, with one watermark, one position and what is to be acknowledged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.addresses import Address
from schemas.sources import Source
from transforms.parsing.parser import Parser
from transforms.streams.acks import Taken
from transforms.streams.element import Element, bounds_of, element_of, latest_times, parse_or_refuse
from transforms.streams.progress import Progress, Rules
from transforms.streams.pull import Position, Pulled, Puller
from transforms.streams.watermark import Watermark

Clock = Callable[[], int]
"""Processing time, milliseconds since the epoch."""

MOST_QUIET = 500
"""Milliseconds that a quiet address is not asked while another is busy."""


@dataclass(frozen=True)
class Input:
    """One address.

    Attributes:
        label: Its name in marks, unlike all others.
        source: Of its signals.
        puller: What reads it.
        rules: How it counts for the watermark.
    """

    label: str
    source: Source
    puller: Puller
    rules: Rules = field(default_factory=Rules)


def rules_of(address: Address) -> Rules:
    """Return how an address that does not end counts."""
    said = address.options
    return Rules(idle=said["idle"], patience=said["patience"], ends=said["ends"], replay=said["replay"])


@dataclass
class _Feed:
    """An input on its way."""

    input: Input
    parse: Parser
    position: Position
    progress: Progress
    asked: int = 0

    def quiet(self, now: int) -> int:
        """Return for how long nothing came."""
        return 0 if self.progress.came is None else now - self.progress.came

    def is_due(self, now: int) -> bool:
        """Return whether to ask it although others are busy; one from which something came always is."""
        return now - self.asked >= min(MOST_QUIET, self.quiet(now) // 4)


class Reading:
    """Reads inputs in turn.

    Attributes:
        watermark: What was told, and who is left out.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        parser: Callable[[Input], Parser],
        *,
        grace: int,
        tick: int,
        clock: Clock,
        mark: Mapping[str, Any] | None = None,
        cut: int | None = None,
    ) -> None:
        """Go on from a mark, by default where each address begins.

        Args:
            inputs: At least one.
            parser: Makes what parses the blocks of an input.
            grace: Milliseconds that the watermark stays behind event times.
            tick: That of the playbook, milliseconds.
            clock: Processing time.
            mark: What `mark` gave.
            cut: The newest cut when this starts: nothing that is read later is in it.
        """
        known = mark or {"positions": {}, "latest": {}, "ended": [], "watermark": None}
        self._tick, self._clock, self._cut = tick, clock, cut
        self._feeds = {one.label: _Feed(one, parser(one), {}, Progress(one.rules)) for one in inputs}
        for label, feed in self._feeds.items():
            feed.position = known["positions"].get(label, {})
            feed.progress.ended = label in known["ended"]
            feed.progress.saw(known["latest"].get(label, {}), clock())
        self.watermark = Watermark(grace, max(one.rules.patience for one in inputs), known["watermark"])
        self._turns = list(self._feeds)
        self._taken: list[Taken] = []
        self._came: int | None = None

    def read(self) -> Element | None:
        """Ask the addresses in turn; return what the first gave that has something, None if none has."""
        told, element = self.watermark.told, None
        for label in self._in_turn():
            feed = self._feeds[label]
            pulled = feed.input.puller.pull(feed.position)
            element = self._take(feed, pulled, told)
            if element is not None:
                self._turns.remove(label)
                self._turns.append(label)
                break
        self.watermark.advance(self._progress, self._clock())
        return element

    def mark(self) -> dict[str, Any]:
        """Return what to go on from, JSON: positions, greatest times and who has ended by label, and the watermark."""
        latest = {
            label: {name: one.latest for name, one in progress.partitions.items() if one.latest is not None}
            for label, progress in self._progress.items()
        }
        return {
            "positions": {label: feed.position for label, feed in self._feeds.items()},
            "latest": latest,
            "ended": [label for label, progress in self._progress.items() if progress.ended],
            "watermark": self.watermark.told,
        }

    def taken(self) -> list[Taken]:
        """Return what is to be acknowledged of all that was read since this was asked last."""
        taken, self._taken = self._taken, []
        return taken

    @property
    def _progress(self) -> dict[str, Progress]:
        return {label: feed.progress for label, feed in self._feeds.items()}

    def _in_turn(self) -> list[str]:
        """Return whom to ask: the quiet ones now and then while others are busy, all of them if none is."""
        now = self._clock()
        alive = [label for label in self._turns if not self._feeds[label].progress.ended]
        if all(self._feeds[label].quiet(now) > MOST_QUIET for label in alive):
            return alive
        return [label for label in alive if self._feeds[label].is_due(now)]

    def _take(self, feed: _Feed, pulled: Pulled, told: int | None) -> Element | None:
        """Note what a pull gave; return what it became, None if it is nothing."""
        now = self._clock()
        gave = bool(pulled.blocks or pulled.rejected)
        self._came = now if gave else self._came
        feed.position, feed.asked = pulled.position, now
        private = feed.input.source.private
        parsed = [parse_or_refuse(feed.parse, block, private=private) for block in pulled.blocks]
        earliest, latest = bounds_of(parsed)
        for block, one in zip(pulled.blocks, parsed, strict=True):
            feed.progress.saw(latest_times(block, one.times, capped=not feed.input.rules.replay), now)
        feed.progress.asked(pulled.partitions, now, gave=gave, since=self._came)
        time = max((at for at in (told, earliest) if at is not None), default=now)
        if pulled.acks is not None:
            last = max(at for at in (time, latest, self._cut) if at is not None)
            self._taken.append(Taken(feed.input.label, pulled.acks, last - last % self._tick + self._tick))
        return element_of(parsed, pulled.rejected, time) if gave else None
