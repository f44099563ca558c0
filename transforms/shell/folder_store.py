"""Folders on any file system that Beam knows, as pullers see them."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from transforms.parsing.files import RawFile
from transforms.shell.found_files import escaped, open_raw
from transforms.streams.folder_notes import Listed


@dataclass(frozen=True)
class FolderStore:
    """A file system of Beam."""

    def list(self, folder: str) -> Iterable[Listed]:
        """Return all files in a folder and below it; none if there is no such folder."""
        try:
            found = FileSystems.match([f"{escaped(folder.rstrip('/'))}/**"])[0].metadata_list
        except BeamIOError as error:
            raise OSError(f"{folder} cannot be listed: {error}") from error
        return [
            Listed(one.path, one.size_in_bytes, int((one.last_updated_in_seconds or 0) * 1_000))
            for one in found
            if not Path(one.path).is_dir()
        ]

    def open(self, file: RawFile) -> BinaryIO:
        """Open a file at its start, decompressed."""
        try:
            return open_raw(file)
        except BeamIOError as error:
            raise OSError(f"{file.path} cannot be opened: {error}") from error

    def read(self, path: str) -> bytes:
        """Return what is in a file."""
        with contextlib.closing(FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)) as file:
            content: bytes = file.read()
            return content

    def write(self, path: str, content: bytes) -> None:
        """Write a file beside its place, then move it there.

        Raises:
            OSError: it cannot be written.
        """
        try:
            self._write(path, content)
        except BeamIOError as error:
            raise OSError(str(error)) from error

    def _write(self, path: str, content: bytes) -> None:
        folder, _, name = path.rpartition("/")
        if not FileSystems.exists(folder):
            with contextlib.suppress(FileExistsError, BeamIOError):
                FileSystems.mkdirs(folder)
        beside = f"{folder}/.{name}.{uuid4().hex}"
        with contextlib.closing(FileSystems.create(beside, compression_type=CompressionTypes.UNCOMPRESSED)) as file:
            file.write(content)
        FileSystems.rename([beside], [path])

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files."""
        FileSystems.delete([*paths])
