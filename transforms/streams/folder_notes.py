"""Notes beside the files of a folder of which were read, so that each is read once over restarts."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, Protocol

from schemas.errors import LoadError, LoadErrors
from transforms.parsing.files import RawFile

NOTES = "_segone"
"""The folder of the notes in a folder that is watched."""

_MOST_NOTES = 64
"""More notes are put together."""


class Listed(NamedTuple):
    """A file in a listing: its path, its bytes, and when it was written, milliseconds since the epoch."""

    path: str
    size: int
    written: int


class Store(Protocol):
    """A file system. It is pickled with the pipeline."""

    def list(self, folder: str) -> Iterable[Listed]:
        """Return all files in a folder and below it; none if there is no such folder."""
        ...

    def open(self, file: RawFile) -> BinaryIO:
        """Open a file at its start, decompressed, seekable where it is not compressed."""
        ...

    def read(self, path: str) -> bytes:
        """Return what is in a small file."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Write a file that is there in whole or not at all, and the folders above it."""
        ...

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files."""
        ...


Sizes = Mapping[str, int]
"""Files by path, with the bytes that they had when they were read."""


@dataclass
class Notes:
    """The notes of one group of readers of a feed.

    They are numbered. A position counts those up to a number, so that an older position knows less.

    Attributes:
        store: Where they are.
        directory: Their folder.
        by_number: What each says.
    """

    store: Store
    directory: str
    by_number: dict[int, Sizes]

    @classmethod
    def of(cls, store: Store, folder: str, group: str, feed: str, *, tidy: bool) -> "Notes":
        """Read the notes; many are put together if no position may count less than all of them.

        Raises:
            LoadErrors: notes cannot be written there.
        """
        directory = f"{folder}/{NOTES}/{group}/{feed}"
        paths = sorted(one.path for one in store.list(directory) if one.path.endswith(".json"))
        found = {_number(path): _parsed(store.read(path)) for path in paths}
        notes = cls(store, directory, found)
        if not found:
            notes._begin()
        if tidy and len(paths) > _MOST_NOTES:
            store.write(notes._path(max(found)), _text(notes.up_to(max(found))))
            store.remove([path for path in paths if _number(path) < max(found)])
            notes.by_number = {max(found): notes.up_to(max(found))}
        return notes

    @property
    def newest(self) -> int:
        """The greatest number; 0 if there are none."""
        return max(self.by_number, default=0)

    def up_to(self, number: int) -> dict[str, int]:
        """Return what the notes up to a number say."""
        return {path: size for each in sorted(self.by_number) if each <= number for path, size in self._at(each)}

    def behind(self, number: int) -> dict[str, int]:
        """Return what the other notes say."""
        if number >= self.newest:
            return {}
        return {path: size for each in sorted(self.by_number) if each > number for path, size in self._at(each)}

    def add(self, files: Sizes) -> None:
        """Write that files were read."""
        number = self.newest + 1
        self.store.write(self._path(number), _text(files))
        self.by_number = {**self.by_number, number: dict(files)}  # another thread may be going through it

    def _begin(self) -> None:
        """Write a first note, which says nothing: then others can be written as well."""
        try:
            self.store.write(self._path(0), _text({}))
        except OSError as error:
            message = f"what was read cannot be noted: {error}"
            hint = "let the run write there: without notes files would be read again after a restart"
            raise LoadErrors([LoadError(self.directory, None, message, hint=hint)]) from error
        self.by_number = {0: {}}

    def _at(self, number: int) -> Iterable[tuple[str, int]]:
        return self.by_number[number].items()

    def _path(self, number: int) -> str:
        return f"{self.directory}/{number:012d}.json"


def _number(path: str) -> int:
    return int(path.rpartition("/")[2].removesuffix(".json"))


def _text(files: Sizes) -> bytes:
    return json.dumps(files, indent=0).encode()


def _parsed(content: bytes) -> Sizes:
    found: dict[str, int] = json.loads(content)
    return found
