"""What candidates met at gates: passed, or why not, until when, and what says so."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from transforms.arrays.arrow_columns import Bools, Ints
from transforms.arrays.in_time import FOREVER

OPEN = 0
"""Stands for the tick from which on a gate is open that is open."""

AT_AN_EVENT = FOREVER - 1
"""Stands for the tick from which on a gate is open that only an event opens."""


@dataclass(frozen=True)
class Read:
    """What shuts gates to candidates, a row each.

    Attributes:
        rows: Of candidates.
        gates: Which gate.
        by: The id of the signal or of the decision; empty: it was erased.
        since: The time of the one, the tick of the other.
    """

    rows: Ints
    gates: Ints
    by: pl.Series
    since: Ints

    def between(self, start: int, stop: int) -> "Read":
        """Return what shuts gates to the candidates from `start` to `stop`, by their place among these; rows ascend."""
        first, last = np.searchsorted(self.rows, (start, stop))
        these = slice(first, last)
        return Read(self.rows[these] - start, self.gates[these], self.by[these], self.since[these])


@dataclass(frozen=True)
class GateResults:
    """What each candidate met at each gate, a row a candidate, a column a gate.

    Attributes:
        reasons: Index of the reason in `plan.reasons`, -1 where it passes.
        opens: The tick from which on it would pass: OPEN, AT_AN_EVENT, or FOREVER for never.
        read: What was read that shuts gates; of one candidate and gate the last of these counts.
    """

    reasons: Ints
    opens: Ints
    read: list[Read] = field(default_factory=list)

    def shut(self, gate: int | Ints, rows: Bools | Ints, reason: int | Ints, opens: int | Ints = FOREVER) -> None:
        """Note that a gate is shut to some candidates."""
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        self.reasons[rows, gate], self.opens[rows, gate] = reason, opens

    def note(self, gate: int | Ints, rows: Ints, by: pl.Series, since: Ints) -> None:
        """Note what shuts a gate to some candidates."""
        if len(rows):
            self.read.append(Read(rows, np.broadcast_to(gate, rows.shape), by, since))

    def only(self, kept: Bools) -> "GateResults":
        """Return what some of the candidates met."""
        numbers, read = np.cumsum(kept) - 1, []
        for one in self.read:
            mine = kept[one.rows]
            read.append(Read(numbers[one.rows[mine]], one.gates[mine], one.by.filter(mine), one.since[mine]))
        return GateResults(self.reasons[kept], self.opens[kept], read)
