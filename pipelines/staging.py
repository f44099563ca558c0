"""Outputs of a run that appear when it is whole, in place of those of an earlier run and of nothing else."""

import json
import os
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

from apache_beam.io.filesystems import FileSystems

from pipelines.folders import folder_of
from pipelines.interrupts import uninterrupted
from schemas.errors import LoadError, LoadErrors

REPORT = "run.json"
"""Written last: a directory that has it is whole."""

RECORD = ".segone.json"
"""Which files are ours where there is no report: while they are replaced, and after a run that failed."""

PARTIAL = ".partial"


class Staging:
    """A hidden directory of its own inside the output directory, on any file system that Beam knows.

    As a context manager it holds the output directory, starts empty and is gone at the end, whatever happened.

    Attributes:
        out: The output directory.
        ours: Names of all files that a run may leave there. Of these only those are ever replaced or removed that a
            `run.json` of ours says are ours.
        directory: Where to write.
    """

    def __init__(self, out: str, ours: Collection[str]) -> None:
        """Name the directories; nothing is touched yet."""
        self.out = out
        self.ours = frozenset(ours) | {REPORT}
        self.directory = FileSystems.join(out, f"{PARTIAL}-{token_hex(8)}")
        self._folder, self._partial = folder_of(out), folder_of(self.directory)
        self._end = ExitStack()

    def __enter__(self) -> Self:
        """Hold the output directory, and start empty.

        Raises:
            BusyError: another run is writing there.
            LoadErrors: it cannot be written to, or holds files of these names that are not ours.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self._folder.held())
                self.check()
                self._clear_stale()
                stack.callback(self._partial.clear)
                self._partial.make()
            except OSError as error:
                told = f"cannot be written to: {error.strerror or error}"
                raise LoadErrors([LoadError(self.out, None, told, hint="name another folder")]) from error
            self._end = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing behind."""
        self._end.__exit__(kind, error, trace)

    def check(self, inputs: Iterable[str] = ()) -> None:
        """Refuse to replace what is not ours, or what is read.

        Args:
            inputs: Paths of the files that are read.

        Raises:
            LoadErrors: naming the files.
        """
        known = self._known()
        foreign = sorted(
            self.ours & {name for name, own in self._folder.files().items() if not own or name not in known}
        )
        replaced = {os.path.realpath(FileSystems.join(self.out, name)) for name in self.ours}
        read = sorted(path for path in inputs if os.path.realpath(path) in replaced)
        hint = "name another folder for the outputs"
        errors = [
            LoadError(path, None, "is read, and outputs of this run would replace it", hint=hint) for path in read
        ]
        if foreign:
            told = f"holds {', '.join(foreign)}, which outputs would replace and no run wrote"
            errors.append(LoadError(self.out, None, told, hint=f"move that away, or {hint}"))
        if errors:
            raise LoadErrors(errors)

    def publish(self, report: str) -> None:
        """Replace what an earlier run left by what is in the directory; the report goes first and comes last.

        Where a file system has no move, as object stores, files are copied: wait for the report.

        Raises:
            LoadErrors: files that are not ours have come meanwhile.
        """
        self._partial.write(REPORT, report)
        self._replace(self._partial.files())

    def publish_only(self, output: str) -> None:
        """Replace what an earlier run left by the files of one output, without a report: the run failed."""
        self._replace([name for name in self._partial.files() if name.split(".")[0] == output])

    def _replace(self, made: Iterable[str]) -> None:
        self.check()
        earlier, made = (
            self._known() & self._folder.files().keys(),
            sorted(made, key=lambda name: (name == REPORT, name)),
        )
        with uninterrupted():
            self._note({*earlier, *made})
            for name in sorted(earlier.difference(made) | earlier & {REPORT}, key=lambda name: name != REPORT):
                self._folder.remove(name)
            for name in made:
                self._folder.move(FileSystems.join(self.directory, name), name)
            if REPORT in made:
                self._folder.remove(RECORD)
            else:
                self._note(made)

    def _note(self, names: Iterable[str]) -> None:
        self._partial.write(RECORD, json.dumps({"files": sorted(names)}) + "\n")
        self._folder.move(FileSystems.join(self.directory, RECORD), RECORD)

    def _known(self) -> set[str]:
        """Return the names of the files that are ours."""
        files = self._folder.files()
        texts = [self._folder.text(name) for name in (REPORT, RECORD) if files.get(name)]
        return {name for text in texts for name in _told(text)} & self.ours

    def _clear_stale(self) -> None:
        """Remove what killed runs left: only they could still be writing, and we hold the directory."""
        for path in self._folder.stale(PARTIAL):
            if folder_of(path).files().items() <= dict.fromkeys((*self.ours, RECORD), True).items():
                folder_of(path).clear()


def _told(text: str) -> set[str]:
    """Return the files that a report or a record says are ours; none if it is neither."""
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        return set()
    match said:
        case {"playbooks": list(), "outputs": dict(outputs), "settings": {"--format": list(formats)}}:
            return {REPORT, *(f"{name}.{ending}" for name in outputs for ending in formats)}
        case {"files": list(names)}:
            return {name for name in names if isinstance(name, str) and name != REPORT}
        case _:
            return set()
