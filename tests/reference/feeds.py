"""What the kernel is told of feeds: what a stage before it would find in the signals of each call."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from schemas.playbook import Playbook
from tests.reference.records import Signal
from transforms.context.feeds import Feed, feed_batch, watch
from transforms.context.segments import Span
from transforms.context.ticks import Grid


class Watched:
    """The feeds of a playbook, watched from call to call."""

    def __init__(self, playbook: Playbook) -> None:
        """Start without any signal."""
        self._timeouts, self._grid = playbook.feed_timeout, Grid(playbook.tick)
        self._feeds: dict[tuple[str, str], Feed] = defaultdict(Feed)
        self._ticks: dict[tuple[str, str], set[int]] = defaultdict(set)
        self._closed: int | None = None

    def turns(self, rows: Iterable[Signal], upto: int) -> list[pa.RecordBatch]:
        """Return what is told of the signals of one call, which may be of later ticks."""
        for row in rows:
            if row.signal in self._timeouts:
                self._ticks[row.signal, row.source].add(row.time // self._grid.tick * self._grid.tick + self._grid.tick)
        span, found = Span(self._grid, self._closed, upto), []
        for name, ticks in self._ticks.items():
            due = np.array(sorted(tick for tick in ticks if tick <= upto), np.int64)
            self._ticks[name] = {tick for tick in ticks if tick > upto}
            turns, self._feeds[name] = watch(self._feeds[name], due, span, self._timeouts[name[0]])
            found += [feed_batch("subscriber", (tick, *name, down)) for tick, down in turns]
        self._closed = upto
        return found
