"""One shard of a stage, played without a runner: the state cells of its key, and its timer."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from transforms.shell.packed_batch import PackedBatch

BAGS = ("log", "waiting")


@dataclass
class Cells:
    """The state of one key as Beam keeps it, with a count of the bytes that cross.

    Attributes:
        values: By name.
        crossed: Bytes read and written.
    """

    values: dict[str, Any] = field(default_factory=dict)
    crossed: int = 0

    @property
    def held(self) -> int:
        """Bytes of all that is kept."""
        values = (value if isinstance(value, list) else [value] for value in self.values.values())
        return sum(_size(one) for value in values for one in value)

    def cell(self, name: str) -> "_Cell":
        """Return a cell by name."""
        return _Cell(self, name)


@dataclass
class _Cell:
    cells: Cells
    name: str

    def read(self) -> Any:
        if self.name not in BAGS:
            self.cells.crossed += _size(self.cells.values.get(self.name))
            return self.cells.values.get(self.name)
        packs: list[PackedBatch] = self.cells.values.get(self.name, [])
        self.cells.crossed += sum(_size(packed) for packed in packs)
        return packs

    def write(self, value: Any) -> None:
        self.cells.crossed += _size(value)
        self.cells.values[self.name] = value

    def add(self, packed: PackedBatch) -> None:
        self.cells.crossed += _size(packed)
        self.cells.values.setdefault(self.name, []).append(packed)

    def set(self, timestamp: Any) -> None:
        self.cells.values[self.name] = timestamp

    def clear(self) -> None:
        self.cells.values.pop(self.name, None)


def _size(value: Any) -> int:
    packed = value.content if isinstance(value, PackedBatch) else value
    return len(packed) if isinstance(packed, bytes) else 8 * (value is not None)


class Shard:
    """A shard of a stateful stage."""

    def __init__(self, stage: beam.DoFn, on_timer: str) -> None:
        """Start without state.

        Args:
            stage: Takes packed batches of its only shard.
            on_timer: Name of the method that its timer calls.
        """
        stage.setup()
        self.cells, self._process, self._fire = Cells(), stage.process, getattr(stage, on_timer)

    def come(self, packed: PackedBatch) -> None:
        """Take a batch."""
        self._process((0, packed), **self._cells_of(self._process))

    def close(self, upto: int) -> Iterator[Any]:
        """Let the timer fire as long as it is due; yield the main output.

        Args:
            upto: The watermark, milliseconds.
        """
        while "timer" in self.cells.values and self.cells.values["timer"].micros <= (upto + 1) * 1000:
            fired = self.cells.values.pop("timer")
            for made in self._fire(fired, **self._cells_of(self._fire)):
                if not isinstance(made, TaggedOutput):
                    yield made

    def _cells_of(self, method: Callable[..., Any]) -> dict[str, Any]:
        names = [name for name in inspect.signature(method).parameters if name not in ("element", "fired", "stamp")]
        return {name: 0 if name == "shard" else self.cells.cell(name) for name in names}
