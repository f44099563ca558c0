"""Reads files of one signal type as raw column blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, cast

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.pvalue import PBegin, TaggedOutput

from schemas.sources import Source
from transforms import arrow_coder  # noqa: F401 (registers the coder of record batches)
from transforms.found_files import find_files
from transforms.parsing.ahead import ahead
from transforms.parsing.files import RawFile, Reading, layout, read_split, reading, splits
from transforms.parsing.mapping import compile_mapper
from transforms.parsing.raw import Rejection, Unreadable, counts_of, printable, rejected_batch
from transforms.parsing.raw_types import made_fields, raw_types

MAX_RECORD_BYTES = 1 << 20


@dataclass(frozen=True)
class Split:
    """A range of a file for one reader; `broken` says why the file cannot be read at all."""

    file: RawFile
    start: int = 0
    stop: int | None = None
    broken: Rejection | None = None


def open_raw(file: RawFile) -> BinaryIO:
    """Open a file on any Beam file system, decompressed."""
    stream = FileSystems.open(file.path, compression_type=CompressionTypes.UNCOMPRESSED)
    if not file.compression:
        return cast(BinaryIO, stream)
    return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), file.compression))


def check_layout(source: Source, files: Sequence[RawFile], what: Reading, fields: Sequence[str]) -> None:
    """Compile the map against the columns of the first file that can be read.

    Raises:
        LoadErrors: columns that it lacks, or mistakes in expressions.
    """
    for file in files:
        try:
            columns = layout(partial(open_raw, file), file, what)
        except Unreadable:
            continue  # it is rejected when it is read
        compile_mapper(source, fields, columns)
        return


class _Split(beam.DoFn):
    """Cuts a file into ranges."""

    def __init__(self, what: Reading) -> None:
        self._what = what

    def process(self, file: RawFile) -> Iterator[Split]:
        try:
            yield from (Split(file, start, stop) for start, stop in splits(partial(open_raw, file), file, self._what))
        except Unreadable as error:
            yield Split(file, broken=error.rejection)


class _Read(beam.DoFn):
    """Reads a range."""

    def __init__(self, signal: str, what: Reading) -> None:
        self._signal = signal
        self._what = what

    def process(self, split: Split) -> Iterator[Any]:
        path = split.file.path
        if split.broken:
            yield self._rejected(path, [split.broken])
            return
        opened = partial(open_raw, split.file)
        for rows, rejections in ahead(read_split(opened, split.file, split.start, split.stop, self._what)):
            if rows.num_rows:
                metadata = {**rows.schema.metadata, b"signal": self._signal, b"file": printable(path)}
                yield rows.replace_schema_metadata(metadata)
            if rejections:
                yield self._rejected(path, rejections)

    def _rejected(self, path: str, rejections: Sequence[Rejection]) -> TaggedOutput:
        counts = counts_of(rejections)
        for name, count in {"in": counts["rejected"], **counts}.items():
            if count:
                Metrics.counter("signals", name).inc(count)
        return TaggedOutput("rejected", rejected_batch(path, "ReadSignals", rejections))


@dataclass(eq=False, kw_only=True)
class ReadSignals(beam.PTransform):
    """Reads Parquet, Avro, JSON Lines and CSV files, cut into row groups, blocks or line ranges.

    In: the pipeline. Out: `blocks`, raw `pa.RecordBatch`es with the columns that the source's map reads and
    `@position`, and as metadata `signal`, `file` and `unit` (of the positions); `rejected`, batches of
    `schemas.records.REJECTED`. Counts, in records, `signals/in` and `signals/rejected` of what is rejected here, and
    `signals/uncounted`, the rejections that stand for nobody knows how many records and count as one; the blocks are
    counted by `ParseSignals`. No windowing is assumed; elements have no timestamps.

    Attributes:
        source: Where the signals come from.
        patterns: Files, folders or globs on any Beam file system.
        payload: Payload fields that the playbook needs.
        max_record_bytes: Longer JSON and CSV records are rejected.

    Raises:
        LoadErrors: when applied: no such file, unknown format, missing columns, mistakes in the map.
    """

    source: Source
    patterns: Sequence[str]
    payload: Sequence[str]
    max_record_bytes: int = MAX_RECORD_BYTES

    def expand(self, pbegin: PBegin) -> Any:
        """Find the files, check the first, and read them all."""
        fields = made_fields(self.source, self.payload)
        what = reading(self.source, raw_types(self.source, fields), self.max_record_bytes)
        files = find_files(self.source, self.patterns)
        check_layout(self.source, files, what, fields)
        read = beam.ParDo(_Read(self.source.contract.name, what))
        read = read.with_output_types(pa.RecordBatch, rejected=pa.RecordBatch)
        return (
            pbegin
            | "Files" >> beam.Create(files, reshuffle=False)
            | "Split" >> beam.ParDo(_Split(what))
            | "Spread" >> beam.Reshuffle()
            | "Read" >> read.with_outputs("rejected", main="blocks")
        )
