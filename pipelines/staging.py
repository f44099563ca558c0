"""Outputs of a run that appear when it is whole."""

from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from apache_beam.io.filesystems import FileSystems

REPORT = "run.json"
"""Written last: a directory that has it is whole."""


@dataclass(frozen=True)
class Staging:
    """A hidden directory inside the output directory, on any file system that Beam knows.

    As a context manager it starts empty and is gone at the end, whatever happened.

    Attributes:
        out: The output directory.
        ours: Names of all files that a run may leave there; no others are ever removed.
    """

    out: str
    ours: Collection[str]

    @property
    def directory(self) -> str:
        """Where to write."""
        return FileSystems.join(self.out, ".partial")

    def __enter__(self) -> Self:
        """Start empty.

        Raises:
            OSError: it cannot be made.
        """
        self._clear()
        FileSystems.mkdirs(self.directory)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing behind."""
        self._clear()

    def publish(self, report: str) -> None:
        """Replace what an earlier run left by what is in the directory; the report goes first and comes last.

        Where a file system has no move, as object stores, files are copied: wait for the report.
        """
        self._withdraw()
        self._move(_files(self.directory))
        partial = FileSystems.join(self.directory, REPORT)
        with FileSystems.create(partial) as sink:
            sink.write(report.encode())
        self._move({REPORT: partial})

    def publish_only(self, output: str) -> None:
        """Replace what an earlier run left by the files of one output, without a report: the run failed."""
        self._withdraw()
        written = _files(self.directory)
        self._move({name: path for name, path in written.items() if name.split(".")[0] == output})

    def _withdraw(self) -> None:
        left = _files(self.out)
        for name in (REPORT, *self.ours):
            if name in left:
                FileSystems.delete([left[name]])

    def _move(self, files: dict[str, str]) -> None:
        FileSystems.rename([*files.values()], [FileSystems.join(self.out, name) for name in files])

    def _clear(self) -> None:
        if left := _files(self.directory):
            FileSystems.delete([*left.values()])
        if FileSystems.exists(self.directory):
            FileSystems.delete([self.directory])


def _files(directory: str) -> dict[str, str]:
    """Return name and path of what is in a directory; nothing if it is not there."""
    (found,) = FileSystems.match([FileSystems.join(directory, "*")])
    return {FileSystems.split(each.path)[1]: each.path for each in found.metadata_list}
