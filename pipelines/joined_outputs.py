"""The outputs of consecutive runs as the files of one run over all of it."""

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from transforms.arrays.table_files import sorted_table
from transforms.write_outputs import Output, Writer

ROWS = 131_072
"""So many rows are in memory at once, and in a row group of Parquet."""

BY_TIME = ("tick", "time")
"""What outputs are sorted by first whose rows of one run all come before those of the next."""


def join(parts: Sequence[Path], directory: str, outputs: dict[str, Output]) -> None:
    """Write each output of several runs as one.

    What is sorted by time goes through piece by piece; the rest, which is small, is sorted in memory.

    Args:
        parts: Folders of runs over consecutive spans, in their order, with Parquet files of some of the outputs.
        directory: Where to write, on any file system that Beam knows.
        outputs: What to write, by name.
    """
    for name, output in outputs.items():
        files = [file for part in parts if (file := part / f"{name}.parquet").exists()]
        for ending, write in output.formats.items():
            with FileSystems.create(FileSystems.join(directory, f"{name}.{ending}")) as sink:
                pieces = _pieces(files, output)
                _write_parquet(pieces, output, sink) if ending == "parquet" else _append(pieces, output, write, sink)


def _pieces(files: Iterable[Path], output: Output) -> Iterator[pa.Table]:
    """Yield all rows in their order, as many at a time as may be; a table without rows if there are none."""
    if output.sort_by[0] not in BY_TIME:
        batches = (batch for file in files for batch in pq.read_table(file).to_batches())
        table = sorted_table(batches, output.schema, output.sort_by)
        yield from (table.slice(first, ROWS) for first in range(0, max(table.num_rows, 1), ROWS))
        return
    held, rows = list[pa.RecordBatch](), 0
    for batch in (batch for file in files for batch in pq.ParquetFile(file).iter_batches(ROWS)):
        held, rows = [*held, batch], rows + batch.num_rows
        while rows >= ROWS:
            table = pa.Table.from_batches(held)
            yield table.slice(0, ROWS).combine_chunks()
            held, rows = table.slice(ROWS).to_batches(), rows - ROWS
    yield pa.Table.from_batches(held, output.schema.remove_metadata()).combine_chunks()


def _write_parquet(pieces: Iterable[pa.Table], output: Output, sink: BinaryIO) -> None:
    schema = output.schema.remove_metadata()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for piece in pieces:
            writer.write_table(piece.cast(schema))


def _append(pieces: Iterable[pa.Table], output: Output, write: Writer, sink: BinaryIO) -> None:
    """Write a format whose file is a head, then rows."""
    head = _written(output.schema.remove_metadata().empty_table(), write)
    sink.write(head)
    for piece in pieces:
        sink.write(_written(piece, write)[len(head) :])


def _written(table: pa.Table, write: Writer) -> bytes:
    sink = BytesIO()
    write(table, sink)
    return sink.getvalue()
