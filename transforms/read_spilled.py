"""Read spilled: the signals of a slice from the files in which they waited for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PBegin

from transforms.parsing.parser import TIMES
from transforms.shell.packed_batch import ShardBatch
from transforms.shell.slicing import Spilled, read_spilled


class _Read(beam.DoFn):
    """Reads a file."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def process(self, name: str) -> Iterator[ShardBatch]:
        yield from read_spilled(self._directory, name)


@dataclass(eq=False, kw_only=True)
class ReadSpilled(beam.PTransform):
    """Give what `SpillSignals` wrote to some of its files, as `ParseSignals` gave it.

    In: the pipeline. Out: by tag, (shard, packed batch), in the global window, without event time.

    Attributes:
        directory: Of the spill.
        files: Those to read.
    """

    directory: str
    files: Sequence[Spilled]

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, pbegin: PBegin) -> Any:
        """Read the files of each tag."""
        return {tag: self._of(pbegin, tag) for tag in TIMES}

    def _of(self, pbegin: PBegin, tag: str) -> beam.PCollection[ShardBatch]:
        names = [file.name for file in self.files if file.tag == tag]
        files = pbegin | f"Files {tag}" >> beam.Create(names, reshuffle=False).with_output_types(str)
        return files | f"Read {tag}" >> beam.ParDo(_Read(self.directory)).with_output_types(ShardBatch)
