"""Several addresses read as one: in turn, parsed, with one watermark, one position and what is to be acknowledged."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from schemas.addresses import Address
from schemas.sources import Source
from transforms.parsing.parser import Parsed, Parser
from transforms.streams.acks import Taken
from transforms.streams.cuts import SETTLED
from transforms.streams.element import Element, bounds_of, element_of, first_published, latest_times, parse_or_refuse
from transforms.streams.floods import Flood
from transforms.streams.progress import Progress, Rules
from transforms.streams.pull import MOST_ROWS, Position, Pulled, Puller
from transforms.streams.threads import on_its_thread
from transforms.streams.watermark import Watermark

Clock = Callable[[], int]
"""Processing time, milliseconds since the epoch."""


class Answer(NamedTuple):
    """What a pull gave, and what each of its blocks became."""

    pulled: Pulled
    parsed: Sequence[Parsed]


Submit = Callable[[str, Callable[[], Answer]], "Future[Answer]"]
"""Asks an address by its label, at once or on a thread of its own; never two at a time of one label."""

WAIT = 0.2
"""Seconds that are waited for an address to give something."""

SCATTER = 2_000
"""Milliseconds by which messages of a backlog overtake each other on their way from Pub/Sub, which keeps no order."""

STALL = 1_000
"""Milliseconds after which a silence is nobody's: an engine was busy with something else, or an answer is overdue."""


@dataclass(frozen=True)
class Input:
    """One address.

    Attributes:
        label: Its name in marks, unlike all others.
        source: Of its signals.
        puller: What reads it.
        rules: How it counts for the watermark.
        alert_rejected: The share of its records, of 1, that may be rejected in a minute without alarm.
        reader: Who is told of an alarm reads it, `/segment-of-one/PLAYBOOK`.
    """

    label: str
    source: Source
    puller: Puller
    rules: Rules = field(default_factory=Rules)
    alert_rejected: float = 1.0
    reader: str = ""


def rules_of(address: Address) -> Rules:
    """Return how an address that does not end counts."""
    said = address.options
    scatter = SCATTER if address.scheme == "pubsub" else 0
    return Rules(
        idle=said["idle"], patience=said["patience"], ends=said["ends"], replay=said["replay"], scatter=scatter
    )


@dataclass
class _Feed:
    """An input on its way.

    Attributes:
        coming: What it is asked for, or has answered and nobody took.
        sent: When it was asked that.
        answered: When it was asked what it answered last.
        full: Whether that was so much that there is more.
        acts: The latest time at which anything acts that was read of it.
        flood: Watches how much of it is rejected.
    """

    input: Input
    parse: Parser
    position: Position
    progress: Progress
    flood: Flood
    coming: "Future[Answer] | None" = None
    sent: int = 0
    answered: int = 0
    full: bool = False
    acts: int = 0

    def answer(self, position: Position) -> Answer:
        """Pull from a position on, and parse: on the thread of the address, beside what is made of the pull before."""
        pulled, private = self.input.puller.pull(position), self.input.source.private
        return Answer(pulled, [parse_or_refuse(self.parse, block, private=private) for block in pulled.blocks])


def _has_answered(feed: _Feed) -> bool:
    """Return whether an address gave something that nobody took, be it an error."""
    if feed.coming is None or not feed.coming.done():
        return False
    return feed.coming.exception() is not None or _gave(feed.coming.result().pulled)


def _gave(pulled: Pulled) -> bool:
    return bool(pulled.blocks or pulled.rejected)


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
        submit: Submit = on_its_thread,
    ) -> None:
        """Go on from a mark, by default where each address begins.

        Args:
            inputs: At least one.
            parser: Makes what parses the blocks of an input.
            grace: Milliseconds that the watermark stays behind event times.
            tick: That of the playbook, milliseconds.
            clock: Processing time.
            mark: What `mark` gave.
            cut: The newest cut when this starts: nothing that is read later is in it, nor in windows that it ended.
            submit: Asks an address.
        """
        floor = None if cut is None else cut + SETTLED
        known = mark or {"positions": {}, "latest": {}, "ended": [], "watermark": None, "floor": floor}
        self._tick, self._clock, self._cut, self._submit = tick, clock, cut, submit
        self._feeds = {
            one.label: _Feed(
                one, parser(one), {}, Progress(one.rules), Flood(one.source.feed, one.alert_rejected, one.reader)
            )
            for one in inputs
        }
        for label, feed in self._feeds.items():
            feed.position = known["positions"].get(label, {})
            feed.acts = known.get("acts", {}).get(label, 0)
            feed.progress.ended = label in known["ended"]
            feed.progress.saw(known["latest"].get(label, {}), clock(), published=0)  # it may have been of a backlog
        self.watermark = Watermark(grace, max(one.rules.patience for one in inputs), known["watermark"])
        self._turns = list(self._feeds)
        self._taken: list[Taken] = []
        self._came: int | None = None
        self._last: int | None = None
        self._floor: int | None = known.get("floor")
        self._resumed = 0
        self._last_full = False

    def read(self) -> Element | None:
        """Ask all addresses; return what the first gave that has something, None if none has something soon."""
        until, now = time.monotonic() + WAIT, self._clock()
        if self._last is not None and now - self._last > STALL:
            self._resumed = now
            self._unheard(now - self._last - STALL)
        self._last = now
        for label, feed in self._alive():
            self._ask(label, feed, now)
        element = self._first()
        while element is None and (asked := [feed.coming for _, feed in self._alive() if feed.coming is not None]):
            if not wait(asked, max(until - time.monotonic(), 0), FIRST_COMPLETED).done:
                break
            element = self._first()
        if all(feed.full or feed.answered >= self._resumed for _, feed in self._alive()):
            self._conclude(self._clock())
        return element

    @property
    def more(self) -> bool:
        """Whether there is more already: the last pull was full, or another address has given something."""
        return self._last_full or any(map(_has_answered, self._feeds.values()))

    def rest(self) -> None:
        """Let pass what time there was since this or `read` was called, as one in which nobody listened: no silence."""
        now = self._clock()
        self._unheard(0 if self._last is None else now - self._last)
        self._last = now

    def _unheard(self, time: int) -> None:
        """Leave a time out of all silence, and out of all patience."""
        self._came = None if self._came is None else self._came + time
        for feed in self._feeds.values():
            feed.progress.unheard(time)
        self.watermark.unheard(time)

    def _ask(self, label: str, feed: _Feed, now: int) -> None:
        """Ask an address to go on from where it is, unless it is asked already."""
        if feed.coming is None:
            feed.coming, feed.sent = self._submit(label, partial(feed.answer, feed.position)), now

    def _conclude(self, now: int) -> None:
        """See who has ended, by what was asked of each last, and how far all is."""
        for _, feed in self._alive():
            if feed.coming is not None and not feed.coming.done() and now - feed.sent > STALL:
                feed.progress.awaited(now)
            feed.progress.listened(feed.answered, self._came)
        self.watermark.advance(self._progress, now)

    def _alive(self) -> list[tuple[str, _Feed]]:
        """Return the addresses that have not ended, in turn."""
        feeds = [(label, self._feeds[label]) for label in self._turns]
        return [(label, feed) for label, feed in feeds if not feed.progress.ended]

    def _first(self) -> Element | None:
        """Take answers in turn, up to the first that has something."""
        for label, feed in self._alive():
            if feed.coming is not None and feed.coming.done():
                answer, feed.coming = feed.coming.result(), None
                element = self._take(feed, answer, self.watermark.told)
                self._last_full = feed.full
                if feed.full:  # so there is more, which comes while this goes on its way
                    self._ask(label, feed, self._clock())
                if element is not None:
                    self._turns.remove(label)
                    self._turns.append(label)
                    return element
        return None

    def mark(self) -> dict[str, Any]:
        """Return what to go on from, JSON: of all addresses by label, and of the watermark."""
        latest = {
            label: {name: one.latest for name, one in progress.partitions.items() if one.latest is not None}
            for label, progress in self._progress.items()
        }
        return {
            "positions": {label: feed.position for label, feed in self._feeds.items()},
            "latest": latest,
            "ended": [label for label, progress in self._progress.items() if progress.ended],
            "watermark": self.watermark.told,
            "acts": {label: feed.acts for label, feed in self._feeds.items()},
            "floor": self._floor,
        }

    def taken(self) -> list[Taken]:
        """Return what is to be acknowledged of all that was read since this was asked last."""
        taken, self._taken = self._taken, []
        return taken

    @property
    def _progress(self) -> dict[str, Progress]:
        return {label: feed.progress for label, feed in self._feeds.items()}

    def _take(self, feed: _Feed, answer: Answer, told: int | None) -> Element | None:
        """Note what a pull gave; return what it became, None if it is nothing."""
        (pulled, parsed), now = answer, self._clock()
        feed.full = 2 * sum(batch.num_rows for batch in (*pulled.blocks, *pulled.rejected)) >= MOST_ROWS
        gave = _gave(pulled)
        self._came = now if gave or not pulled.settled else self._came
        feed.position = pulled.position
        earliest, latest = bounds_of(parsed)
        for block, one in zip(pulled.blocks, parsed, strict=True):
            latest_by_partition = latest_times(block, one.times, capped=not feed.input.rules.replay)
            feed.progress.saw(latest_by_partition, now, first_published(block))
        feed.answered = feed.sent
        feed.progress.asked(pulled.partitions, now, gave=gave, settled=pulled.settled)
        times = [at for at in (told, earliest, self._floor) if at is not None]
        moment = max(times, default=0 if feed.input.rules.replay else now)
        feed.acts = max(feed.acts, *(at for at in (moment, latest, self._cut) if at is not None))
        if pulled.acks is not None:  # they may be of pulls before, too
            cover = feed.acts - feed.acts % self._tick + self._tick
            self._taken.append(Taken(feed.input.label, pulled.acks, cover))
        return feed.flood.watched(element_of(parsed, pulled.rejected, moment), now) if gave else None
