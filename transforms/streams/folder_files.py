"""Files of a folder as raw blocks of bounded size, in an order that is always the same."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from schemas.errors import LoadErrors
from schemas.sources import Source
from transforms.parsing.files import RawFile, Reading, layout, raw_file, read_split, reading, splits
from transforms.parsing.layouts import misfits
from transforms.parsing.raw import PARTITION, PUBLISHED, Parsed, Rejection, Unreadable, printable, rejected_batch
from transforms.parsing.raw_types import made_fields, raw_types
from transforms.streams.folder_notes import Listed, Store
from transforms.streams.pull import MOST_ROWS

STAGE = "ReadStream"

_HIDDEN = ("_", ".")
_HALF_WRITTEN = (
    ".tmp",
    ".temp",
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".inprogress",
    ".writing",
    ".swp",
    "~",
)


class Piece(NamedTuple):
    """A part of a file: a raw block, which may be empty, and a batch of what is none, or None."""

    block: pa.RecordBatch
    rejected: pa.RecordBatch | None


@dataclass(frozen=True)
class Files:
    """What is in the files of a folder.

    Attributes:
        source: What sources.yaml says of the feed.
        fields: The contract fields to make.
        what: The columns to read, and how text is written.
    """

    source: Source
    fields: tuple[str, ...]
    what: Reading

    @classmethod
    def of(cls, source: Source, payload: Iterable[str], max_record_bytes: int) -> "Files":
        """Return what to read of a source's files for the payload fields that a playbook needs.

        Raises:
            LoadErrors: expressions that do not parse.
        """
        fields = made_fields(source, payload)
        return cls(source, fields, reading(source, raw_types(source, fields), max_record_bytes))

    def pieces(self, store: Store, listed: Listed) -> Iterator[Piece]:
        """Yield the parts of a file, of at most `MOST_ROWS` rows each, at least one.

        What cannot be read at all is one rejection: `unreadable_file`, `unknown_format`, `file_gone`, `misfit`: it
        lacks columns that the source's map reads.
        """
        given = False
        try:
            for rows, rejections in self._parsed(store, listed):
                for start in range(0, max(rows.num_rows, 1), MOST_ROWS):
                    found = [] if start else rejections
                    yield Piece(self._block(rows.slice(start, MOST_ROWS), listed), self.rejected(listed.path, found))
                    given = True
        except Unreadable as error:
            yield self._lost(listed, error.rejection)
        except FileNotFoundError:
            message = "it was there when the folder was listed, and is no longer: leave files where they are"
            yield self._lost(listed, Rejection.of("file", "file_gone", message, b"", records=None))
        else:
            if not given:
                yield Piece(_nothing(), None)

    def rejected(self, path: str, rejections: Sequence[Rejection]) -> pa.RecordBatch | None:
        """Return rejections of a file as a batch, None if there are none."""
        if not rejections:
            return None
        return rejected_batch(path, STAGE, rejections, private=self.source.private)

    def _parsed(self, store: Store, listed: Listed) -> Iterator[Parsed]:
        try:
            file = raw_file(listed.path, listed.size, self.source)
        except LoadErrors as unknown:
            yield Parsed(_nothing(), [_told("unknown_format", unknown)])
            return
        opened = partial(store.open, file)
        columns = layout(opened, file, self.what)
        if columns.columns and (wrong := misfits(self.source, file.path, self.fields, self.what.types, columns)):
            yield Parsed(_nothing(), [_told("misfit", LoadErrors(wrong))])
            return
        yield from self._read(store, file)

    def _read(self, store: Store, file: RawFile) -> Iterator[Parsed]:
        opened = partial(store.open, file)
        for start, stop in splits(opened, file, self.what):
            yield from read_split(opened, file, start, stop, self.what)

    def _lost(self, listed: Listed, rejection: Rejection) -> Piece:
        return Piece(_nothing(), self.rejected(listed.path, [rejection]))

    def _block(self, rows: pa.RecordBatch, listed: Listed) -> pa.RecordBatch:
        """Return rows of a file as a block of a stream: the file was published when it was written."""
        written = listed.written or None
        count = rows.num_rows
        partitions = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([""], pa.string()))
        made = rows.append_column(PUBLISHED, pa.array([written] * count, pa.int64()))
        metadata = {
            **(rows.schema.metadata or {}),
            b"signal": self.source.contract.name.encode(),
            b"file": printable(listed.path).encode(),
        }
        return made.append_column(PARTITION, partitions).replace_schema_metadata(metadata)


def is_whole_by_name(folder: str, path: str) -> bool:
    """Return whether nothing in a file's name below a folder says that it is hidden, or not yet written to its end."""
    below = path.removeprefix(folder).strip("/")
    hidden = any(name.startswith(_HIDDEN) for name in below.split("/"))
    return not hidden and not below.lower().endswith(_HALF_WRITTEN)


def _told(reason: str, errors: LoadErrors) -> Rejection:
    """Return the rejection of a file, told in one line."""
    return Rejection.of("file", reason, " ".join(str(errors).split()), b"", records=None)


def _nothing() -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([], schema=pa.schema([]))
