"""Spill signals: what was parsed of a long history goes to files, by the slice in which it acts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.transforms.window import GlobalWindows

from transforms.parsing.parser import Tag
from transforms.shell.packed_batch import ShardBatch
from transforms.shell.slicing import Slicing, Spilled, write_spilled

INDEX = "spilled.json"
"""The file, beside those that it lists, that says which are whole: what a bundle that failed left is in none."""

HELD = 32 * 1024 * 1024
"""Bytes that one worker holds before it writes them."""

Entry = tuple[int, bytes]
"""One key, for all; a `Spilled`."""


class _Spill(beam.DoFn):
    """Holds the rows of each slice, and writes them when they are many."""

    def __init__(self, spill: "SpillSignals", tag: Tag) -> None:
        self._directory, self._slicing, self._held_bytes, self._tag = spill.directory, spill.slicing, spill.held, tag

    def start_bundle(self) -> None:
        self._held: dict[int, list[ShardBatch]] = defaultdict(list)
        self._size = 0

    def process(self, element: ShardBatch) -> Iterator[Entry]:
        shard, packed = element
        for number, part in self._slicing.parts(packed, self._tag):
            self._held[number].append((shard, part))
            self._size += len(part.content)
        if self._size > self._held_bytes:
            yield from self._written()

    def finish_bundle(self) -> Iterator[Any]:
        yield from map(GlobalWindows.windowed_value, self._written())

    def _written(self) -> Iterator[Entry]:
        held, self._held, self._size = self._held, defaultdict(list), 0
        for number, batches in held.items():
            yield 0, msgspec.json.encode(write_spilled(self._directory, number, self._tag, batches))


class _Index(beam.DoFn):
    """Writes which files there are."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[str]:
        files = sorted(msgspec.json.decode(each, type=Spilled) for each in element[1])
        path = Path(self._directory, INDEX)
        path.write_bytes(msgspec.json.encode(files))
        yield str(path)


def index_of(directory: str) -> list[Spilled]:
    """Return the files of a spill, in order; none where there was no signal."""
    path = Path(directory, INDEX)
    return msgspec.json.decode(path.read_bytes(), type=list[Spilled]) if path.exists() else []


@dataclass(eq=False, kw_only=True)
class SpillSignals(beam.PTransform):
    """Write parsed signals to files, by the slice of a history in which they act.

    In: by names that begin with a tag of `parsing.parser`, a blank and whatever tells them apart, (shard, packed batch)
    of that tag, bounded, in the global window. Out: the path of the file that lists those that were written; none where
    there was nothing. Each signal is in one of them; `ReadSpilled` gives what is in some of them again.

    Attributes:
        directory: A folder that the workers share.
        slicing: How the history is cut.
        held: Bytes that a worker holds before it writes them.
    """

    directory: str
    slicing: Slicing
    held: int = HELD

    def expand(self, parsed: Any) -> beam.PCollection[str]:
        """Write what is there of each, then list it."""
        entries = []
        for name, batches in parsed.items():
            tag: Any = name.split(" ", 1)[0]
            spill = beam.ParDo(_Spill(self, tag)).with_output_types(Entry)
            entries.append(batches | f"Spill {name}" >> spill)
        gathered = entries | "Files" >> beam.Flatten() | "Gather" >> beam.GroupByKey()
        return gathered | "Index" >> beam.ParDo(_Index(self.directory)).with_output_types(str)
