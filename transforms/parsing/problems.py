"""The first thing that is wrong with each row of a block."""

import numpy as np

from transforms.parsing.raw import Bools, Ints


class Problems:
    """Collects reasons by row; of several, a row keeps the first."""

    def __init__(self, rows: int) -> None:
        """Start with all rows good."""
        self._rows = rows
        self._which: Ints | None = None
        self._reasons: list[tuple[str, str]] = []

    def add(self, bad: Bools, reason: str, message: str) -> None:
        """Note that something is wrong with the rows where the mask is true."""
        if not bad.any():
            return
        if self._which is None:
            self._which = np.full(self._rows, -1, np.int64)
        self._which[bad & (self._which < 0)] = len(self._reasons)
        self._reasons.append((reason, message))

    def good(self) -> Bools | None:
        """Return which rows are good, or None if all are."""
        return None if self._which is None else self._which < 0

    def bad(self) -> list[tuple[int, str, str]]:
        """Return row, reason and message of each bad row."""
        if self._which is None:
            return []
        return [(row, *self._reasons[self._which[row]]) for row in np.flatnonzero(self._which >= 0).tolist()]
