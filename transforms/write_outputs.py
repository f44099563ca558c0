"""One output of a bounded run as files, the same bytes for any order of its rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics

from transforms import encoding

Writer = Callable[[pa.Table, BinaryIO], None]

FORMATS: dict[str, Writer] = {"parquet": encoding.write_parquet, "jsonl": encoding.write_json_lines}
"""The end of a file's name to what writes it; enough for most outputs."""

ROWS = "rows"
"""Metrics namespace: one counter an output, the rows in its files."""


class _Write(beam.DoFn):
    """Writes every format of one output."""

    def __init__(self, output: "WriteOutputs") -> None:
        self.output = output

    def process(self, element: tuple[int, Iterable[pa.RecordBatch]]) -> Iterator[str]:
        table = encoding.sorted_table(element[1], self.output.schema, self.output.sort_by)
        for suffix, write in self.output.formats.items():
            path = FileSystems.join(self.output.directory, f"{self.output.name}.{suffix}")
            with FileSystems.create(path) as sink:
                write(table, sink)
            yield path
        Metrics.counter(ROWS, self.output.name).inc(table.num_rows)


@dataclass(eq=False, kw_only=True)
class WriteOutputs(beam.PTransform):
    """Write `directory/name.format` for each format, sorted, through Beam's file systems.

    In: record batches with at least the columns of `schema`, in any order, in the global window. Out: the paths
    written. There is one writer; it holds the output in memory. An output without rows gives files too. A run that
    is cut off leaves files that are not whole: write to a directory that nobody reads and move them when all is done.

    Attributes:
        directory: Where to write; any file system that Beam knows.
        name: The output's name.
        schema: Its columns; int64 milliseconds become timestamps.
        sort_by: The columns to sort by.
        formats: The end of each file's name to what writes it.
    """

    directory: str
    name: str
    schema: pa.Schema
    sort_by: tuple[str, ...]
    formats: Mapping[str, Writer] = field(default_factory=lambda: FORMATS)

    def __post_init__(self) -> None:
        """Check the columns.

        Raises:
            ValueError: there is no such column to sort by.
        """
        super().__init__()
        if missing := [name for name in self.sort_by if name not in self.schema.names]:
            raise ValueError(f"output {self.name}: no column `{missing[0]}` to sort by")

    def expand(self, batches: beam.PCollection[pa.RecordBatch]) -> beam.PCollection[str]:
        """Gather all batches at one writer.

        By a key, not as a side input: FnApiRunner gives what a timer emitted to a side input twice.
        """
        nothing = pa.RecordBatch.from_pylist([], schema=self.schema.remove_metadata())
        once = batches.pipeline | "Nothing" >> beam.Create([nothing], reshuffle=False)
        return (
            (batches, once)
            | "All" >> beam.Flatten()
            | "OneWriter" >> beam.Map(_to_one).with_output_types(tuple[int, pa.RecordBatch])
            | "Gather" >> beam.GroupByKey()
            | "Write" >> beam.ParDo(_Write(self))
        )


def _to_one(batch: pa.RecordBatch) -> tuple[int, pa.RecordBatch]:
    return 0, batch
