"""Processes and all that they started, watched while they run: memory by time, time on processors."""

import threading
from collections import Counter
from collections.abc import Sequence
from time import time
from typing import NamedTuple

import psutil

EVERY = 0.2
"""Seconds between looks."""

MEGABYTE = 2**20


class Seen(NamedTuple):
    """What was seen at a time, seconds since the epoch: resident megabytes by program, core seconds so far."""

    at: float
    megabytes: dict[str, float]
    core_seconds: float

    @property
    def total(self) -> float:
        """Megabytes of all."""
        return sum(self.megabytes.values())


class Watched:
    """Looks at trees of processes, on a thread of its own, as a context."""

    def __init__(self, roots: Sequence[int]) -> None:
        """Take the first of each tree."""
        self._roots, self._stop, self.seen = [psutil.Process(root) for root in roots], threading.Event(), list[Seen]()
        self._cpu: dict[int, float] = {}
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> "Watched":
        """Start to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._stop.set()
        self._thread.join()

    @property
    def core_seconds(self) -> float:
        """Of all processes so far."""
        return sum(list(self._cpu.values()))

    def peak(self, since: float = 0.0, until: float = float("inf")) -> float:
        """Return the greatest sum of megabytes in a time."""
        return max((one.total for one in self.seen if since <= one.at <= until), default=0.0)

    def mean(self, since: float, until: float, program: str | None = None) -> float:
        """Return the mean of megabytes in a time, of all or of one program."""
        times = [one for one in self.seen if since <= one.at <= until]
        found = [one.total if program is None else one.megabytes.get(program, 0.0) for one in times]
        return sum(found) / max(len(found), 1)

    def programs(self) -> dict[str, float]:
        """Return the peak of each program, megabytes."""
        names = {name for one in self.seen for name in one.megabytes}
        return {name: round(max(one.megabytes.get(name, 0) for one in self.seen)) for name in sorted(names)}

    def _look_on(self) -> None:
        while not self._stop.wait(EVERY):
            self._look()

    def _look(self) -> None:
        sizes: Counter[str] = Counter()
        for root in self._roots:
            try:
                tree = [root, *root.children(recursive=True)]
            except psutil.Error:
                continue
            for each in tree:
                try:
                    with each.oneshot():
                        spent = each.cpu_times()
                        self._cpu[each.pid] = spent.user + spent.system
                        sizes[each.name()] += each.memory_info().rss
                except psutil.Error:
                    continue
        self.seen.append(Seen(time(), {name: size / MEGABYTE for name, size in sizes.items()}, self.core_seconds))
