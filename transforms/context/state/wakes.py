"""When something may change without new signals: of each subject, and of everybody at once."""

import numpy as np

from transforms.arrays.dtypes import Ints
from transforms.context.grid import LAST, NEVER


class Wakes:
    """Collected during one call.

    Attributes:
        ticks: Of each subject, by code, the next tick at which something that conditions or others read may change.
        everybody: The next tick at which all subjects are looked at.
    """

    def __init__(self, subjects: int) -> None:
        """Start with nothing due.

        Args:
            subjects: How many there are.
        """
        self.ticks: Ints = np.full(subjects, NEVER)
        self.everybody = NEVER

    def at(self, codes: Ints, ticks: Ints) -> None:
        """Note ticks after the span, one a code, in any order."""
        np.minimum.at(self.ticks, codes, ticks)

    def all_at(self, tick: int) -> None:
        """Note a tick after the span at which everybody is due."""
        self.everybody = min(self.everybody, tick)

    @property
    def first(self) -> int | None:
        """The first of all, None for never."""
        first = min(int(self.ticks.min(initial=NEVER)), self.everybody)
        return None if first > LAST else first
