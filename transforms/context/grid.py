"""The event-time grid: ticks, panes and windows, in int64 milliseconds UTC."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from transforms.arrays.dtypes import Ints

EVER = -1
"""The pane of what has no window: all time is one pane."""

LAST = 250_000_000_000_000
"""No later tick comes by itself (in 9892): what is due then never is, so `9999-12-31` is no end, and whatever lies a
duration after a tick is still a year of four digits."""

NEVER = np.iinfo(np.int64).max // 2
"""A tick that does not come."""

CLOSED_AT = b"floor"
"""Metadata of late rows: the tick that was closed when they came; they act at the one after it."""


@dataclass(frozen=True)
class Grid:
    """The tick and the panes of a playbook.

    Attributes:
        tick: Distance of ticks.
        exact_limit: Windows that reach no further back are exact; others move in panes (sawtooth).
        short_pane: Pane of windows that reach back `short_reach` at the most.
        long_pane: Pane of all others.
        short_reach: See `short_pane`.
    """

    tick: int
    exact_limit: int = 7_200_000
    short_pane: int = 300_000
    long_pane: int = 3_600_000
    short_reach: int = 172_800_000

    def pane(self, reach: int) -> int:
        """Return the pane of a window that reaches back `reach` = W + offset; 0 where it is exact."""
        if reach <= self.exact_limit:
            return 0
        return self.short_pane if reach <= self.short_reach else self.long_pane

    def after(self, times: Ints) -> Ints:
        """Return the first tick later than each time: the one that closes it."""
        return times - times % self.tick + self.tick

    def at_least(self, time: int) -> int:
        """Return the first tick that is not before `time`."""
        return -(-time // self.tick) * self.tick


@dataclass(frozen=True)
class Span:
    """The ticks of one call: `(closed, upto]`."""

    grid: Grid
    closed: int | None
    upto: int

    @property
    def first(self) -> int:
        """The first tick of the call; 0 where nothing was closed before."""
        return 0 if self.closed is None else self.closed + self.grid.tick

    @property
    def end(self) -> int:
        """The tick after the call."""
        return self.upto + self.grid.tick


def floor(times: Ints, pane: int) -> Ints:
    """Return the start of the pane of each time; 0 is no pane, `EVER` one pane for all."""
    if pane == EVER:
        return np.zeros_like(times)
    return cast(Ints, times - times % pane) if pane else times
