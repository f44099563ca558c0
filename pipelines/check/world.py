"""A small world: signals, when they come, and the watermarks between them; and other ways for the same to come."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from pipelines.stories.story import Arrival, Signal, Watermark

Event = Arrival | Watermark


@dataclass(frozen=True)
class Sent:
    """One signal and when it comes.

    Attributes:
        signal: It.
        after: The watermark that it comes after although that closed its tick; None: it comes in time.
    """

    signal: Signal
    after: int | None = None


_Due = Callable[[Sent, Sequence[int]], int]


@dataclass(frozen=True)
class World:
    """What happens.

    Attributes:
        tick: Distance of ticks, milliseconds.
        watermarks: Ascending; the last one ends the world.
        sent: The signals.
    """

    tick: int
    watermarks: tuple[int, ...]
    sent: tuple[Sent, ...]

    @property
    def until(self) -> int:
        """The last tick that is closed."""
        return self.watermarks[-1] // self.tick * self.tick

    def acts(self, one: Sent) -> int:
        """Return the tick from which a signal acts: the first after its time, or the first that was open."""
        own = one.signal.time // self.tick * self.tick + self.tick
        return own if one.after is None else max(own, one.after // self.tick * self.tick + self.tick)

    def events(self) -> tuple[Event, ...]:
        """Return what arrives before each watermark: what it closes, and what is late."""
        return _events(self.watermarks, self.sent, self._due)

    def other_events(self, seed: str, cuts: Iterable[int]) -> tuple[Event, ...]:
        """Return another way for the same to come: more calls, any order within them, some twice, some early."""
        watermarks = tuple(sorted({*self.watermarks, *(cut for cut in cuts if 0 < cut < self.until)}))
        chances = [(random.Random(f"{seed}/{one.signal.signal}/{one.signal.id}"), one) for one in self.sent]
        order = [one for _, one in sorted((chance.random(), n) for n, (chance, _) in enumerate(chances))]
        again = [chances[n][1] for n in order if chances[n][0].random() < 0.2]

        def early(one: Sent, marks: Sequence[int]) -> int:
            due = self._due(one, marks)
            back = random.Random(f"{seed}/{one.signal.id}/early").choice((0, 0, 0, 1, 3))
            return due if one.after is not None else max(0, due - back)

        return _events(watermarks, [*(chances[n][1] for n in order), *again], early)

    def _due(self, one: Sent, marks: Sequence[int]) -> int:
        """Return the number of the watermark before which a signal has to come."""
        if one.after is not None:
            return next((n for n, mark in enumerate(marks) if mark > one.after), len(marks) - 1)
        acts = self.acts(one)
        return next((n for n, mark in enumerate(marks) if mark >= acts), len(marks) - 1)

    def without(self, dropped: Iterable[Sent]) -> "World":
        """Return the world without some signals, and without watermarks that no late signal needs."""
        gone = {id(one) for one in dropped}
        rest = tuple(one for one in self.sent if id(one) not in gone)
        needed = {one.after for one in rest} | {self.watermarks[-1]}
        return replace(self, sent=rest, watermarks=tuple(mark for mark in self.watermarks if mark in needed))


def _events(marks: Sequence[int], sent: Iterable[Sent], due: _Due) -> tuple[Event, ...]:
    batches: list[list[Signal]] = [[] for _ in marks]
    for one in sent:
        batches[due(one, marks)].append(one.signal)
    found: list[Event] = []
    for mark, batch in zip(marks, batches, strict=True):
        found += [Arrival(tuple(batch))] if batch else []
        found.append(Watermark(mark))
    return tuple(found)
