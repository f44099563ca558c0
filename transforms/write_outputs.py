"""The outputs of a bounded run as files, the same bytes for any order of their rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.filesystems import FileSystems

from transforms.arrays import table_files
from transforms.shell.tallied import TalliedCounter

Writer = Callable[[pa.Table, BinaryIO], None]

FORMATS: dict[str, Writer] = {"parquet": table_files.write_parquet, "jsonl": table_files.write_json_lines}
"""The end of a file's name to what writes it; enough for most outputs."""

NamedBatch = tuple[str, pa.RecordBatch]

ROWS = "rows"
"""Metrics namespace: one counter an output, the rows in its files."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """What the files of one output are.

    Attributes:
        schema: Its columns; int64 milliseconds become timestamps.
        sort_by: The columns to sort by.
        formats: The end of each file's name to what writes it.
    """

    schema: pa.Schema
    sort_by: tuple[str, ...]
    formats: Mapping[str, Writer] = field(default_factory=lambda: FORMATS)

    def nothing(self) -> pa.RecordBatch:
        """Return a batch without rows."""
        return pa.RecordBatch.from_pylist([], schema=self.schema.remove_metadata())


def of_output(name: str) -> beam.PTransform:
    """Return what puts the name of an output to its batches."""
    return beam.Map(_with_name, name).with_output_types(NamedBatch)


def _with_name(batch: pa.RecordBatch, name: str) -> NamedBatch:
    return name, batch


class _Write(beam.DoFn):
    """Writes every format of one output."""

    def __init__(self, directory: str, outputs: Mapping[str, Output]) -> None:
        self._directory, self._outputs = directory, outputs

    def process(self, element: tuple[str, Iterable[pa.RecordBatch]]) -> Iterator[str]:
        name, batches = element
        output = self._outputs[name]
        table = table_files.sorted_table(batches, output.schema, output.sort_by)
        for suffix, write in output.formats.items():
            path = FileSystems.join(self._directory, f"{name}.{suffix}")
            with FileSystems.create(path) as sink:
                write(table, sink)
            yield path
        TalliedCounter(ROWS, name).inc(table.num_rows)


@dataclass(eq=False, kw_only=True)
class WriteOutputs(beam.PTransform):
    """Write `directory/name.format` for each output and format, sorted, through Beam's file systems.

    In: by the name of an output, record batches with at least the columns of its schema, in any order, in the global
    window. Out: the paths written. An output has one writer, which holds it in memory. An output without rows gives
    files too. A run that is cut off leaves files that are not whole: write to a directory that nobody reads and move
    them when all is done.

    Attributes:
        directory: Where to write; any file system that Beam knows.
        outputs: What to write, by name.
    """

    directory: str
    outputs: Mapping[str, Output]

    def __post_init__(self) -> None:
        """Check the columns.

        Raises:
            ValueError: there is no such column to sort by.
        """
        super().__init__()
        for name, output in self.outputs.items():
            if missing := [column for column in output.sort_by if column not in output.schema.names]:
                raise ValueError(f"output {name}: no column `{missing[0]}` to sort by")

    def expand(self, records: Any) -> beam.PCollection[str]:
        """Gather the batches of each output at one writer.

        By a key, not as a side input: FnApiRunner gives what a timer emitted to a side input twice.
        """
        rows = [(name, output.nothing()) for name, output in self.outputs.items()]
        nothing = beam.Create(rows, reshuffle=False).with_output_types(NamedBatch)
        seeds = next(iter(records.values())).pipeline | "Nothing" >> nothing
        named = [batches | f"Name {name}" >> of_output(name) for name, batches in records.items()]
        return (
            (*named, seeds)
            | "All" >> beam.Flatten()
            | "Gather" >> beam.GroupByKey()
            | "Write" >> beam.ParDo(_Write(self.directory, self.outputs))
        )
