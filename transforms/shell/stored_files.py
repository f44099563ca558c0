"""Files on any file system that Beam knows, as cuts need them."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from transforms.shell.names_in import names_in
from transforms.streams.whole_files import LOCAL, WholeFiles


@dataclass(frozen=True)
class StoredFiles:
    """An object store: what is created there is there once it is closed, as a whole, under its own name."""

    def names(self, folder: str) -> Iterable[str]:
        """Return the names of the objects in a folder."""
        try:
            return [path.rpartition("/")[2] for path in names_in(folder)]
        except BeamIOError as error:
            raise OSError(f"{folder} cannot be listed: {error}") from error

    def read(self, path: str) -> bytes:
        """Return what is in an object."""
        try:
            with contextlib.closing(FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)) as file:
                content: bytes = file.read()
                return content
        except BeamIOError as error:
            if not FileSystems.exists(path):
                raise FileNotFoundError(path) from error
            raise OSError(f"{path} cannot be read: {error}") from error

    def write(self, path: str, content: bytes) -> None:
        """Write an object; whoever fails before it is closed leaves none, or the older one."""
        try:
            file = FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
            file.write(content)
            file.close()
        except BeamIOError as error:
            raise OSError(f"{path} cannot be written: {error}") from error

    def remove(self, paths: Sequence[str]) -> None:
        """Remove objects."""
        there = [path for path in paths if FileSystems.exists(path)]
        try:
            if there:
                FileSystems.delete(there)
        except BeamIOError as error:
            raise OSError(str(error)) from error


def files_of(directory: str) -> WholeFiles:
    """Return what a directory is in: an address with `://` in a store, any other on this machine."""
    return StoredFiles() if "://" in directory else LOCAL
