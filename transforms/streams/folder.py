"""A folder in which files keep arriving as a puller: each file once, and none that is half written."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from transforms.parsing.raw import Rejection
from transforms.streams.folder_files import Files, is_whole_by_name
from transforms.streams.folder_notes import Notes, Store
from transforms.streams.folder_state import Client, Cursor, State
from transforms.streams.pull import MOST_ROWS, Position, Pulled

_CLIENTS: "dict[tuple[str, str, str], Client]" = {}
_LOCK = threading.Lock()
_WAIT = 0.05
_MOST_FILES = 100


def _clock() -> int:
    return time.time_ns() // 1_000_000


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
            LoadErrors: what was read cannot be noted.
            OSError: the file system cannot be reached.
        """
        client = self._client(fresh=not position)
        client.passed = client.passed if position == client.given else 0
        state = State.of(position, client)
        blocks: list[pa.RecordBatch] = []
        rejected = self._list(client, state)
        finished: dict[str, int] = {}
        room = MOST_ROWS
        while len(finished) < _MOST_FILES and (cursor := self._at(client, state)) is not None:
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
        client.given = state.position(client)
        return Pulled(blocks, rejected, client.given, finished or None, [""])

    def done(self, acks: Sequence[Mapping[str, int]]) -> None:
        """Note files as read."""
        client = self._client(fresh=False)
        if files := {path: size for each in acks for path, size in each.items()}:
            client.notes.add(files)

    def _client(self, *, fresh: bool) -> Client:
        key = (self.folder, self.group, self.files.source.feed)
        with _LOCK:
            if key not in _CLIENTS:
                notes = Notes.of(self.store, self.folder, self.group, self.files.source.feed, tidy=fresh)
                _CLIENTS[key] = Client(notes)
            return _CLIENTS[key]

    def _list(self, client: Client, state: State) -> list[pa.RecordBatch]:
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
        since = now - self.every
        ready = (one for one, first in client.listed.values() if first <= since)
        client.ready, client.passed = sorted(ready, key=lambda one: (one.written, one.path)), 0
        changed = [one for one in found if state.size(one.path) not in (None, one.size)]
        state.read |= {one.path: one.size for one in changed}
        batches = [self.files.rejected(one.path, [_changed()]) for one in changed]
        return [batch for batch in batches if batch is not None]

    def _at(self, client: Client, state: State) -> Cursor | None:
        """Return the file to read on, where the position says; None: there is none that is ready."""
        listed, at = state.file or (client.next(state), 0)
        if listed is None:
            return None
        cursor = client.cursor
        if cursor is None or (cursor.listed, cursor.at) != (listed, at):
            parts = self.files.pieces(self.store, listed)
            for _ in range(at):
                next(parts, None)
            client.cursor = cursor = Cursor(listed, at, parts, next(parts, None))
        return cursor


def _changed() -> Rejection:
    message = "it has changed since it was read, and is not read again: write what is new to a file of its own"
    return Rejection.of("file", "changed_after_read", message, b"", records=None)


def forget_folders() -> None:
    """Forget what the process knows of folders; the next pull lists them anew."""
    with _LOCK:
        _CLIENTS.clear()
