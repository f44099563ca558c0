"""When what was read may be acknowledged: at once when it is durable, or when a cut of the state covers it."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from transforms.streams.pull import Puller


class Taken(NamedTuple):
    """What one pull gave to acknowledge.

    Attributes:
        label: Of the input.
        acks: What its `Puller.done` takes.
        cover: The tick at which the last row of the pull acts, milliseconds: a cut at it or later holds all of it.
    """

    label: str
    acks: Any
    cover: int


class Acks:
    """What waits to be acknowledged, in the order of reading; may be used by several threads."""

    def __init__(self, cut: Callable[[], int | None] | None = None) -> None:
        """Take what tells the newest cut; None: nothing waits for cuts."""
        self._cut = cut
        self._waiting: dict[str, deque[Taken]] = {}
        self._pullers: dict[str, Puller] = {}
        self._lock = threading.Lock()

    def finalized(self, taken: Sequence[Taken], pullers: Mapping[str, Puller]) -> None:
        """Take what an engine holds for sure, and acknowledge what no longer needs to wait.

        Args:
            taken: In the order of reading.
            pullers: Those of all labels.
        """
        with self._lock:
            self._pullers.update(pullers)
            for one in taken:
                self._waiting.setdefault(one.label, deque()).append(one)
        if self._cut is None:
            self.acknowledge(None)
        elif (cut := self._cut()) is not None:
            self.acknowledge(cut)

    def acknowledge(self, cut: int | None) -> None:
        """Acknowledge what a cut covers, of each input up to the first that it does not; None: everything.

        What `Puller.done` raises is raised, and what it was given waits on.
        """
        with self._lock:
            for label, waiting in self._waiting.items():
                covered = _covered(waiting, cut)
                if covered:
                    self._pullers[label].done([one.acks for one in covered])
                    for _ in covered:
                        waiting.popleft()

    def __len__(self) -> int:
        """Return how many pulls wait."""
        with self._lock:
            return sum(map(len, self._waiting.values()))


def _covered(waiting: deque[Taken], cut: int | None) -> list[Taken]:
    found = []
    for one in waiting:
        if cut is not None and one.cover > cut:
            break
        found.append(one)
    return found
