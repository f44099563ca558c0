"""The signals of a town in the order of their arrival, and a clock that goes faster than ours."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple


class Arrival(NamedTuple):
    """A signal.

    Attributes:
        at: When it arrives, milliseconds of the town's time.
        signal: Its type.
        subject: Whom it is about.
        text: The signal as JSON.
    """

    at: int
    signal: str
    subject: str
    text: bytes


def arrivals(folder: Path, signals: Iterable[str]) -> list[Arrival]:
    """Return the signals of a town in order; one that was late in its file is late here, too."""
    found: list[Arrival] = []
    for signal in signals:
        latest = 0
        for text in (folder / f"{signal}.jsonl").read_bytes().splitlines():
            said = json.loads(text)
            latest = max(latest, millis(said["time"]))
            found.append(Arrival(latest, signal, said["subject"], text))
    return sorted(found, key=lambda one: one.at)


def millis(instant: str) -> int:
    """Return RFC 3339 as milliseconds since 1970."""
    return round(datetime.fromisoformat(instant).timestamp() * 1_000)


@dataclass(frozen=True)
class Clock:
    """The time of a town that is replayed.

    Attributes:
        start: Of the town, milliseconds.
        speed: Seconds of the town in one of ours.
        began: When we were at its start, on our monotonic clock, seconds.
    """

    start: int
    speed: float
    began: float

    def now(self) -> int:
        """Return the time of the town, milliseconds."""
        return self.start + round((time.monotonic() - self.began) * 1_000 * self.speed)

    def since(self, at: int) -> float:
        """Return how long ago a time of the town was, in our seconds."""
        return (self.now() - at) / 1_000 / self.speed

    def wait_for(self, at: int) -> None:
        """Return when the town is so far."""
        time.sleep(max(-self.since(at), 0))


def due(coming: Iterable[Arrival], clock: Clock, step: int = 1_000) -> Iterator[tuple[str, list[Arrival]]]:
    """Yield the signals of each type when it is time for them, those of some milliseconds of the town together."""
    for at, together in groupby(coming, lambda one: one.at // step):
        clock.wait_for((at + 1) * step)
        for signal, of_type in groupby(sorted(together, key=lambda one: one.signal), lambda one: one.signal):
            yield signal, list(of_type)
