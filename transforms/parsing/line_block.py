"""Records that lie side by side in the bytes of a text file."""

from dataclasses import dataclass, replace

import numpy as np

from transforms.parsing.raw import Bools, Ints, Rejection


@dataclass(frozen=True)
class LineBlock:
    """Whole records that lie side by side, each a line or, where a format allows it, several.

    Attributes:
        data: The records with their line feeds.
        starts: Offset in `data` of each record that is not empty.
        stops: Offset behind its last byte, line feed and carriage return excluded.
        positions: The number of its first line in the file where that is known, counted from 1, else its byte offset.
        unit: `line` or `byte`.
        regular: Whether nothing about the records' ends called for a closer look.
    """

    data: bytes
    starts: Ints
    stops: Ints
    positions: Ints
    unit: str
    regular: bool = True

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.starts)

    def lines(self) -> list[bytes]:
        """Return the records without their ends."""
        return [self.data[a:b] for a, b in zip(self.starts.tolist(), self.stops.tolist(), strict=True)]

    def reject(self, row: int, reason: str, message: str) -> Rejection:
        """Return the rejection of one record."""
        payload = self.data[self.starts[row] : self.stops[row]]
        return Rejection.of(f"{self.unit} {self.positions[row]}", reason, message, payload)

    def halves(self) -> tuple["LineBlock", "LineBlock"]:
        """Return the first and the second half of the records."""
        middle = len(self) // 2
        first = slice(None, middle)
        data = self.data[: int(self.starts[middle])]
        return (
            replace(
                self, data=data, starts=self.starts[first], stops=self.stops[first], positions=self.positions[first]
            ),
            self.behind(middle),
        )

    def behind(self, first: int) -> "LineBlock":
        """Return the block without its first records."""
        rest = slice(first, None)
        cut = int(self.starts[first]) if first < len(self) else len(self.data)
        return replace(
            self,
            data=self.data[cut:],
            starts=self.starts[rest] - cut,
            stops=self.stops[rest] - cut,
            positions=self.positions[rest],
        )

    def without(self, bad: Bools, reason: str, message: str) -> tuple["LineBlock", list[Rejection]]:
        """Return the block without its bad records, and their rejections."""
        if not bad.any():
            return self, []
        rejections = [self.reject(row, reason, message) for row in np.flatnonzero(bad).tolist()]
        good = replace(self, starts=self.starts[~bad], stops=self.stops[~bad], positions=self.positions[~bad])
        data = b"".join(line + b"\n" for line in good.lines())
        ends = np.cumsum(good.stops - good.starts + 1)
        return replace(good, data=data, starts=ends - 1 - (good.stops - good.starts), stops=ends - 1), rejections
