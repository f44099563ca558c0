"""Reads files of one signal type as raw column blocks."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PBegin, TaggedOutput

from schemas.errors import LoadError, LoadErrors
from schemas.sources import Source
from transforms.parsing.ahead import ahead
from transforms.parsing.files import RawFile, Reading, layout, read_split, reading, splits
from transforms.parsing.layouts import Layout, misfits
from transforms.parsing.mapping import compile_mapper
from transforms.parsing.raw import Rejection, Unreadable, counts_of, printable, rejected_batch
from transforms.parsing.raw_types import made_fields, raw_types
from transforms.shell.found_files import find_files, open_raw
from transforms.shell.tallied import TalliedCounter

MAX_RECORD_BYTES = 1 << 20

READ, WITHOUT = "read", "without"
"""Namespaces of counters: rows of a feed, and rows without a value in one of its columns."""

_OPENED = 8
_SHOWN = 10


@dataclass(frozen=True)
class Split:
    """A range of a file for one reader; `broken` says why the file cannot be read at all."""

    file: RawFile
    start: int = 0
    stop: int | None = None
    broken: Rejection | None = None


def check_layouts(source: Source, files: Sequence[RawFile], what: Reading, fields: Sequence[str]) -> None:
    """Compare the columns of every file that can be read with what the source's map reads, and compile it for them.

    Raises:
        LoadErrors: columns that files lack, in whatever order they come, or mistakes in expressions.
    """
    with ThreadPoolExecutor(_OPENED) as pool:
        found = list(pool.map(partial(_layout, what), files))
    errors: dict[LoadError, None] = {}
    compiled: set[Layout] = set()
    for file, columns in zip(files, found, strict=True):
        if columns is None or not columns.columns:
            continue  # it is rejected when it is read, or empty
        if wrong := misfits(source, file.path, fields, what.types, columns):
            errors |= dict.fromkeys(wrong)
        elif columns not in compiled:
            compiled.add(columns)
            errors |= dict.fromkeys(_mistakes(source, fields, columns, what))
    if errors:
        raise LoadErrors(_first(list(errors)))


def _layout(what: Reading, file: RawFile) -> Layout | None:
    """Return the columns of a file, or None if it cannot be read at all."""
    try:
        return layout(partial(open_raw, file), file, what)
    except Unreadable:
        return None


def _mistakes(source: Source, fields: Sequence[str], columns: Layout, what: Reading) -> Sequence[LoadError]:
    """Return the mistakes in the map's expressions over some columns."""
    try:
        compile_mapper(source, fields, columns.types if columns.whole else what.types)
    except LoadErrors as mistakes:
        return mistakes.errors
    return ()


def _first(errors: list[LoadError]) -> list[LoadError]:
    """Return the first of many errors, and how many more there are."""
    more = len(errors) - _SHOWN
    return [*errors[:_SHOWN], LoadError(f"and {more:,} more of this kind", None, "")] if more > 0 else errors


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

    def __init__(self, source: Source, what: Reading, expected: Sequence[str]) -> None:
        self._signal, self._feed, self._private = source.contract.name, source.feed, source.private
        self._expected = expected
        self._what = what

    def process(self, split: Split) -> Iterator[Any]:
        path = split.file.path
        if split.broken:
            yield self._rejected(path, [split.broken])
            return
        opened = partial(open_raw, split.file)
        for rows, rejections in ahead(read_split(opened, split.file, split.start, split.stop, self._what)):
            if rows.num_rows:
                self._count(rows)
                metadata = {**rows.schema.metadata, b"signal": self._signal, b"file": printable(path)}
                yield rows.replace_schema_metadata(metadata)
            if rejections:
                yield self._rejected(path, rejections)

    def _count(self, rows: pa.RecordBatch) -> None:
        """Count what tells in the end which columns never had a value."""
        TalliedCounter(READ, self._feed).inc(rows.num_rows)
        for name in self._expected:
            if without := rows.column(name).null_count:
                TalliedCounter(f"{WITHOUT} {self._feed}", name).inc(without)

    def _rejected(self, path: str, rejections: Sequence[Rejection]) -> TaggedOutput:
        counts = counts_of(rejections)
        for name, count in {"in": counts["rejected"], **counts}.items():
            if count:
                TalliedCounter("signals", name).inc(count)
        return TaggedOutput("rejected", rejected_batch(path, "ReadSignals", rejections, private=self._private))


@dataclass(eq=False, kw_only=True)
class ReadSignals(beam.PTransform):
    """Reads Parquet, Avro, JSON Lines and CSV files, cut into row groups, blocks or line ranges.

    In: the pipeline. Out: `blocks`, raw `pa.RecordBatch`es with the columns that the source's map reads and
    `POSITION`, and as metadata `signal`, `file` and `unit` (of the positions); `rejected`, batches of
    `schemas.records.REJECTED`. Counts, in records, `signals/in` and `signals/rejected` of what is rejected here, and
    `signals/uncounted`, the rejections that stand for nobody knows how many records and count as one; the blocks are
    counted by `ParseSignals`. For each feed it counts the rows, `read/FEED`, and those without a value in a column that
    is expected, `without FEED/COLUMN`. No windowing is assumed; elements have no timestamps.

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
        """Find the files, check them, read them all."""
        fields = made_fields(self.source, self.payload)
        what = reading(self.source, raw_types(self.source, fields), self.max_record_bytes)
        files = find_files(self.source, self.patterns)
        check_layouts(self.source, files, what, fields)
        read = beam.ParDo(_Read(self.source, what, self._expected(what)))
        read = read.with_output_types(pa.RecordBatch, rejected=pa.RecordBatch)
        return (
            pbegin
            | "Files" >> beam.Create(files, reshuffle=False)
            | "Split" >> beam.ParDo(_Split(what))
            | "Spread" >> beam.Reshuffle()
            | "Read" >> read.with_outputs("rejected", main="blocks")
        )

    def _expected(self, what: Reading) -> list[str]:
        """Return the columns that should have a value somewhere: those of the map, or of the playbook."""
        if self.source.config.map is not None:
            return list(what.types)
        return [name for name in what.types if name in self.payload or self.source.field(name).required]
