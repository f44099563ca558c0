"""A flat folder of files, on this machine or on any other file system that Beam knows."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pipelines.lock import locked
from schemas.errors import LoadError, LoadErrors
from transforms.shell.found_files import escaped, with_itself


class Folder(Protocol):
    """What outputs need of where they go."""

    def make(self) -> None:
        """Make the folder; it must not be there yet."""

    def clear(self) -> None:
        """Remove its files and the folder, if it is there."""

    def held(self) -> AbstractContextManager[None]:
        """Make the folder if it is not there, and hold it against others, where there are locks."""

    def files(self) -> dict[str, bool]:
        """Return the names of all that is in it, and whether each is a file of its own: no link, no folder."""

    def text(self, name: str) -> str:
        """Return what a file says; what is no text is none."""

    def write(self, name: str, text: str) -> None:
        """Write a file."""

    def move(self, source: str, name: str) -> None:
        """Take in a file from elsewhere on the same file system, in place of one of the same name."""

    def remove(self, name: str) -> None:
        """Remove a file."""

    def stale(self, prefix: str) -> Iterator[str]:
        """Yield the folders in it whose name begins so, if nobody can be using them any more."""


def folder_of(path: str) -> Folder:
    """Return the folder at a path or URL."""
    return LocalFolder(path) if _is_local(path) else RemoteFolder(path)


@contextmanager
def held_alone(paths: Mapping[str, str | None]) -> Iterator[None]:
    """Make the folders of this machine among some, and hold them against others; one that is named twice once.

    Args:
        paths: By the option that names them; None: it does not.

    Raises:
        BusyError: another process holds one.
        LoadErrors: one cannot be written to.
    """
    local = {os.path.realpath(path): (option, path) for option, path in paths.items() if path and _is_local(path)}
    with ExitStack() as stack:
        for real, (option, path) in local.items():
            try:
                stack.enter_context(LocalFolder(real).held())
            except OSError as error:
                told = f"`{path}` cannot be written to: {error.strerror or error}"
                raise LoadErrors([LoadError(option, None, told, hint="name another folder")]) from error
        yield


def _is_local(path: str) -> bool:
    return FileSystems.get_scheme(path) is None


def sizes_of(pattern: str) -> dict[str, int]:
    """Return the paths that a pattern matches, and their sizes in bytes; none where they cannot be listed."""
    try:
        found = FileSystems.match(with_itself(pattern))
    except (BeamIOError, ValueError):
        return {}
    return {each.path: each.size_in_bytes for one in found for each in one.metadata_list}


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, path: str) -> None:
        """Name it."""
        self._path = Path(path)

    def make(self) -> None:
        """Make it."""
        self._path.mkdir()

    def clear(self) -> None:
        """Remove it, with its files."""
        for name in self.files():
            self.remove(name)
        if self._path.is_dir():
            self._path.rmdir()

    def held(self) -> AbstractContextManager[None]:
        """Make it, and lock it."""
        self._path.mkdir(parents=True, exist_ok=True)
        return locked(self._path)

    def files(self) -> dict[str, bool]:
        """Return its names, and whether each is a regular file."""
        if not self._path.is_dir():
            return {}
        return {path.name: stat.S_ISREG(path.lstat().st_mode) for path in self._path.iterdir()}

    def text(self, name: str) -> str:
        """Return what a file says."""
        return (self._path / name).read_text("utf-8", "replace")

    def write(self, name: str, text: str) -> None:
        """Write a file, down to the disk."""
        with (self._path / name).open("x", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())

    def move(self, source: str, name: str) -> None:
        """Move a file in, at once."""
        Path(source).replace(self._path / name)

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self._path / name).unlink()

    def stale(self, prefix: str) -> Iterator[str]:
        """Yield the real folders of that name: whoever holds this one is alone."""
        for name, regular in self.files().items():
            if name.startswith(prefix) and not regular and not (self._path / name).is_symlink():
                yield str(self._path / name)


class RemoteFolder:
    """A folder through Beam's file systems: nothing is locked, and where there is no move files are copied."""

    def __init__(self, path: str) -> None:
        """Name it."""
        self._path = path

    def make(self) -> None:
        """Make it, where there are folders."""
        FileSystems.mkdirs(self._path)

    def clear(self) -> None:
        """Remove it, with its objects."""
        for name in self.files():
            self.remove(name)
        if FileSystems.exists(self._path):
            FileSystems.delete([self._path])

    def held(self) -> AbstractContextManager[None]:
        """Hold nothing: object stores have neither folders nor locks."""
        return nullcontext()

    def files(self) -> dict[str, bool]:
        """Return the names of its objects."""
        (found,) = FileSystems.match([FileSystems.join(escaped(self._path), "*")])
        return {FileSystems.split(each.path)[1]: True for each in found.metadata_list}

    def text(self, name: str) -> str:
        """Return what an object says."""
        with FileSystems.open(self._at(name)) as stream:
            return str(stream.read(), "utf-8", "replace")

    def write(self, name: str, text: str) -> None:
        """Write an object."""
        with FileSystems.create(self._at(name)) as sink:
            sink.write(text.encode())

    def move(self, source: str, name: str) -> None:
        """Move or copy an object."""
        FileSystems.rename([source], [self._at(name)])

    def remove(self, name: str) -> None:
        """Remove an object."""
        FileSystems.delete([self._at(name)])

    def stale(self, prefix: str) -> Iterator[str]:
        """Yield nothing: another run may be writing."""
        yield from ()

    def _at(self, name: str) -> str:
        return FileSystems.join(self._path, name)
