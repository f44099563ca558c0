"""What a sequence of signals means to the kernels: its steps, and what is kept of their rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from transforms.compiler.compile_expression import Expression

AFTER, THEN, WITHOUT = "after", "then", "without"
"""The parts of a sequence."""

MADE = "trigger."
"""Begins the names of the columns of the signals that made a trigger."""


@dataclass(frozen=True)
class Step:
    """The rows of one signal type that play one part in a sequence.

    Attributes:
        part: after, then or without.
        signal: The signal type.
        where: Which of its rows, None for all.
        same: The columns that must not be NULL.
        columns: The columns that are kept, these included.
    """

    part: str
    signal: str
    where: Expression | None
    same: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Sequence:
    """What each `after` row starts, and what ends it.

    Attributes:
        key: Hash of its moment's name and its definition: what stays the same in a new version keeps its state.
        steps: What is read.
        awaits: Whether a `then` row completes it; if not, the end of `within` does.
        within: How long it can take, milliseconds.
        same: The columns that its rows have in common.
        columns: What is kept of `after` and `then` rows, by name: `same`, and what offers read.
        by_member: Whether rows are those of a group, which knows through which member.
    """

    key: str
    steps: tuple[Step, ...]
    awaits: bool
    within: int
    same: tuple[str, ...]
    columns: Mapping[str, pl.DataType]
    by_member: bool = False

    def needed_from(self, part: str, closed: int, lateness: int) -> int | None:
        """Return the time from which on rows of a part can still start or end something after a closed tick.

        None for `after` rows of a sequence that awaits nothing: the tick at which each ends is known.

        Args:
            part: `AFTER`, `THEN` or `WITHOUT`.
            closed: The tick.
            lateness: How late a row may be, milliseconds.
        """
        if part != AFTER:
            return closed - lateness + 1
        return closed - self.within if self.awaits else None
