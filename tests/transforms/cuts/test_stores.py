"""Cuts in a store that Beam knows by its scheme: what is created is there once it is closed, and is not renamed."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem
from apache_beam.io.filesystems import FileSystems

from pipelines.folders import RemoteFolder
from pipelines.run import run
from tests.pipelines.small import MIDNIGHT, small_settings
from transforms.shell.names_in import names_in
from transforms.shell.stored_files import StoredFiles, files_of
from transforms.streams.cuts import newest_cut
from transforms.streams.erasures import Done, done_after, write_done
from transforms.streams.manifests import cuts_in, read_manifest, remove_old
from transforms.streams.whole_files import LOCAL

OBJECTS: dict[str, bytes] = {}
AT = "memory-store://bucket/state"


class _Upload(io.BytesIO):
    """An object that is there once it is closed."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def close(self) -> None:
        if not self.closed:
            OBJECTS[self._path] = self.getvalue()
        super().close()


class MemoryStore(FileSystem):
    """A store of this process; it has no folders, and renames nothing."""

    @classmethod
    def scheme(cls) -> str:
        return "memory-store"

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join((basepath.rstrip("/"), *paths))

    def split(self, path: str) -> tuple[str, str]:
        head, _, tail = path.rpartition("/")
        return head, tail

    def has_dirs(self) -> bool:
        return False

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        yield from (FileMetadata(path, len(OBJECTS[path])) for path in [*OBJECTS] if path.startswith(dir_or_prefix))

    def create(self, path: str, mime_type: str = "", compression_type: str = "") -> Any:
        return _Upload(path)

    def open(self, path: str, mime_type: str = "", compression_type: str = "") -> Any:
        if path not in OBJECTS:
            raise BeamIOError("open failed", {path: FileNotFoundError(path)})
        return io.BytesIO(OBJECTS[path])

    def exists(self, path: str) -> bool:
        return path in OBJECTS

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            del OBJECTS[path]

    def mkdirs(self, path: str) -> None:
        raise NotImplementedError

    def copy(self, source_file_names: Any, destination_file_names: Any) -> None:
        raise NotImplementedError

    def rename(self, source_file_names: Any, destination_file_names: Any) -> None:
        raise NotImplementedError

    def size(self, path: str) -> int:
        return len(OBJECTS[path])

    def last_updated(self, path: str) -> float:
        return 0.0

    def checksum(self, path: str) -> str:
        return ""

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, len(OBJECTS[path]))


@pytest.fixture(autouse=True)
def empty() -> None:
    OBJECTS.clear()


def test_the_scheme_is_known() -> None:
    assert isinstance(FileSystems.get_filesystem(AT), MemoryStore)
    assert isinstance(files_of(AT), StoredFiles)
    assert files_of("/mounted/state") is LOCAL


@pytest.mark.parametrize("directory", [f"{AT}[1]", f"{AT}*", f"{AT}?"])
def test_an_address_is_no_pattern(directory: str) -> None:
    OBJECTS.update({f"{place}/manifest-{tick}.json": b"" for place, tick in ((f"{AT}1", 1), (directory, 2))})
    assert names_in(directory) == [f"{directory}/manifest-2.json"]
    assert RemoteFolder(directory).files() == {"manifest-2.json": True}


def test_a_run_leaves_a_cut_in_a_store_and_another_goes_on(tmp_path: Path) -> None:
    until = MIDNIGHT + 43_200_000
    run(small_settings(tmp_path, until=until, state_out=AT))
    assert cuts_in(AT, files_of(AT)) == [until]
    assert newest_cut(AT, names_in) == until
    assert all(path.startswith(f"{AT}/manifest-") or path.startswith(f"{AT}/blobs/") for path in OBJECTS)
    later = until + 3_600_000
    run(small_settings(tmp_path, until=later, state_in=AT, state_out=AT, shards=3))
    assert cuts_in(AT, files_of(AT)) == [until, later]
    remove_old(AT, 1, files_of(AT))
    assert cuts_in(AT, files_of(AT)) == [later]
    named = {file.name for file in read_manifest(AT, later, files_of(AT)).files.values()}
    assert {path.rpartition("/")[2] for path in OBJECTS if "/blobs/" in path} == named


def test_what_is_not_there_is_told_as_a_file_is(tmp_path: Path) -> None:
    store = files_of(AT)
    with pytest.raises(FileNotFoundError):
        store.read(f"{AT}/blobs/x")
    store.remove([f"{AT}/blobs/x"])
    assert cuts_in(AT, store) == []
    done = Done(20, "subscriber", "a", "s", "1")
    write_done(AT, [done], store)
    assert done_after(AT, 5, store) == (done,)
