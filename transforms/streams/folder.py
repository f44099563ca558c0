"""A folder in which files keep arriving as a puller: each file once, and none that is half written."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from transforms.parsing.raw import Rejection
from transforms.streams.folder_files import Files, Piece, is_whole_by_name
from transforms.streams.folder_notes import Listed, Notes, Store
from transforms.streams.pull import MOST_ROWS, Position, Pulled

_CLIENTS: "dict[tuple[str, str, str], _Client]" = {}
_LOCK = threading.Lock()
_WAIT = 0.05


def _clock() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class _Cursor:
    """A file that is being read: its parts, how many were given, and the next one."""

    listed: Listed
    at: int
    parts: Iterator[Piece]
    ahead: Piece | None

    def take(self) -> Piece:
        """Return the next part; there is one. What is raised leaves it where no position is: it is opened anew."""
        assert self.ahead is not None
        piece, at, self.at = self.ahead, self.at, -1
        self.ahead = next(self.parts, None)
        self.at = at + 1
        return piece


@dataclass
class _Client:
    """What a process knows of a folder.

    Attributes:
        notes: Of what was read.
        counted: The greatest number of the notes that `known` has.
        known: What these say.
        listed: The newest listing, with the time since when each file was like this.
        asked: When that was.
        cursor: The file that is being read.
    """

    notes: Notes
    counted: int = -1
    known: Mapping[str, int] = field(default_factory=dict)
    listed: dict[str, tuple[Listed, int]] = field(default_factory=dict)
    asked: int | None = None
    cursor: _Cursor | None = None

    def count(self, number: int) -> Mapping[str, int]:
        """Return what the notes up to a number say."""
        if self.counted != number:
            self.counted, self.known = number, self.notes.up_to(number)
        return self.known


@dataclass(frozen=True)
class FolderPuller:
    """Reads a folder, hidden files and those of half-written names left out, below it too.

    A file is read when two listings, `every` apart, found it the same. A position names the files that were read beyond
    the notes that it counts, and where in a file it is; an empty one counts all notes. `done` notes files as read. The
    publish time of rows is when their file was written. A file that is another size than when it was read is rejected
    once, as `changed_after_read`: what was added to it is not read.

    Attributes:
        folder: Its path.
        files: What is in them.
        store: The file system.
        group: Whose notes these are: other groups read all files too.
        every: Milliseconds between listings.
        clock: Processing time, milliseconds since the epoch.
        wait: Waits for some seconds where there is nothing to do.
    """

    folder: str
    files: Files
    store: Store
    group: str = "segone"
    every: int = 5_000
    clock: Callable[[], int] = _clock
    wait: Callable[[float], None] = time.sleep

    def pull(self, position: Position) -> Pulled:
        """Return rows of the next files.

        Raises:
            OSError: the file system cannot be reached, or notes cannot be written.
        """
        client = self._client(fresh=not position)
        state = _State.of(position, client)
        blocks: list[pa.RecordBatch] = []
        rejected = self._list(client, state)
        finished: dict[str, int] = {}
        room = MOST_ROWS
        while (cursor := self._at(client, state)) is not None:
            if cursor.ahead is not None and cursor.ahead.block.num_rows > room:
                break
            if cursor.ahead is not None:
                piece = cursor.take()
                room -= piece.block.num_rows
                blocks += [piece.block] if piece.block.num_rows else []
                rejected += [piece.rejected] if piece.rejected is not None else []
            state.file = (cursor.listed, cursor.at)
            if cursor.ahead is None:
                finished[cursor.listed.path] = state.read[cursor.listed.path] = cursor.listed.size
                state.file = client.cursor = None
        if not blocks and not rejected and not finished:
            self.wait(_WAIT)
        return Pulled(blocks, rejected, state.position(client), finished or None, [""])

    def done(self, acks: Sequence[Mapping[str, int]]) -> None:
        """Note files as read."""
        client = self._client(fresh=False)
        known = client.notes.up_to(client.notes.newest)
        files = {path: size for each in acks for path, size in each.items() if known.get(path) != size}
        if files:
            client.notes.add(files)

    def _client(self, *, fresh: bool) -> _Client:
        key = (self.folder, self.group, self.files.source.feed)
        with _LOCK:
            if key not in _CLIENTS:
                notes = Notes.of(self.store, self.folder, self.group, self.files.source.feed, tidy=fresh)
                _CLIENTS[key] = _Client(notes)
            return _CLIENTS[key]

    def _list(self, client: _Client, state: "_State") -> list[pa.RecordBatch]:
        """List the folder if it is time to; return the rejections of files that have changed since they were read."""
        now = self.clock()
        if client.asked is not None and 0 <= now - client.asked < self.every:
            return []
        client.asked, before = now, client.listed
        found = [one for one in self.store.list(self.folder) if is_whole_by_name(self.folder, one.path)]
        client.listed = {
            one.path: before[one.path] if one.path in before and before[one.path][0] == one else (one, now)
            for one in found
        }
        changed = [one for one in found if state.size(one.path) not in (None, one.size)]
        state.read |= {one.path: one.size for one in changed}
        batches = [self.files.rejected(one.path, [_changed(one)]) for one in changed]
        return [batch for batch in batches if batch is not None]

    def _at(self, client: _Client, state: "_State") -> _Cursor | None:
        """Return the file to read on, where the position says; None: there is none that is ready."""
        listed, at = state.file or (self._next(client, state), 0)
        if listed is None:
            return None
        cursor = client.cursor
        if cursor is None or (cursor.listed, cursor.at) != (listed, at):
            parts = self.files.pieces(self.store, listed)
            for _ in range(at):
                next(parts, None)
            client.cursor = cursor = _Cursor(listed, at, parts, next(parts, None))
        return cursor

    def _next(self, client: _Client, state: "_State") -> Listed | None:
        """Return the file to read next: the one written first of those that were the same in two listings."""
        ready = [
            one
            for one, since in client.listed.values()
            if client.asked is not None and client.asked - since >= self.every and state.size(one.path) is None
        ]
        return min(ready, key=lambda one: (one.written, one.path), default=None)


@dataclass
class _State:
    """A position, while it is moved on.

    Attributes:
        note: The number up to which notes count.
        known: What these say.
        read: The files read beyond that.
        file: The one that is being read, and how many of its parts were given.
    """

    note: int
    known: Mapping[str, int]
    read: dict[str, int]
    file: tuple[Listed, int] | None

    @classmethod
    def of(cls, position: Position, client: _Client) -> "_State":
        note = position.get("note", client.notes.newest)
        file = position.get("file")
        at = None if file is None else (Listed(*file["listed"]), file["at"])
        return cls(note, client.count(note), dict(position.get("read", {})), at)

    def size(self, path: str) -> int | None:
        """Return the size of a file when it was read; None if it was not."""
        return self.read.get(path, self.known.get(path))

    def position(self, client: _Client) -> dict[str, Any]:
        """Return the position; it counts newer notes if they say nothing that it does not know."""
        newer = client.notes.behind(self.note)
        if newer and all(self.size(path) is not None for path in newer):
            self.note = client.notes.newest
            self.known = client.count(self.note)
            self.read = {path: size for path, size in self.read.items() if self.known.get(path) != size}
        file = None if self.file is None else {"listed": [*self.file[0]], "at": self.file[1]}
        return {"note": self.note, "read": self.read, "file": file}


def _changed(listed: Listed) -> Rejection:
    message = "it has changed since it was read, and is not read again: write what is new to a file of its own"
    return Rejection.of("file", "changed_after_read", message, b"", records=None)


def forget_folders() -> None:
    """Forget what the process knows of folders; the next pull lists them anew."""
    with _LOCK:
        _CLIENTS.clear()
