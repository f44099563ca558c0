"""Files that are there as a whole or not at all: what cuts are kept in."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol
from uuid import uuid4


class WholeFiles(Protocol):
    """A file system, as cuts need it; paths are texts."""

    def names(self, folder: str) -> Iterable[str]:
        """Return the names of the files in a folder, none if there is no such folder."""

    def read(self, path: str) -> bytes:
        """Return what is in a file.

        Raises:
            FileNotFoundError: it is not there.
            OSError: it cannot be read.
        """

    def write(self, path: str, content: bytes) -> None:
        """Write a file that is there as a whole or not at all, in place of an older one.

        Raises:
            OSError: it cannot be written.
        """

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files, as far as they are there.

        Raises:
            OSError: one cannot be removed.
        """


class LocalFiles:
    """The folders of this machine, and those mounted there."""

    def names(self, folder: str) -> Iterable[str]:
        """Return the names of the files in a folder, none if there is no such folder."""
        try:
            return os.listdir(folder)
        except FileNotFoundError:
            return ()

    def read(self, path: str) -> bytes:
        """Return what is in a file."""
        return Path(path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        """Write a file hidden beside its place, to the disk, and rename it."""
        write_whole(Path(path), content)

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files, as far as they are there."""
        for path in paths:
            Path(path).unlink(missing_ok=True)


LOCAL = LocalFiles()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file of this machine that is there as a whole or not at all, in place of an older one."""
    hidden = path.with_name(f".{path.name}.{uuid4().hex}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with hidden.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    hidden.replace(path)
