"""Where reading of a folder is: by its position, which is the truth, and by what a process knows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from transforms.streams.folder_files import Piece
from transforms.streams.folder_notes import Listed, Notes
from transforms.streams.pull import Position


@dataclass
class Cursor:
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
class Client:
    """What a process knows of a folder.

    Attributes:
        notes: Of what was read.
        counted: The greatest number of the notes that `known` has.
        known: What these say.
        listed: The newest listing, with the time since when each file was like this.
        ready: Of these the files that were the same in two listings, those written first before others.
        passed: How many of these were read, as of the position that was given last.
        given: That position.
        asked: When the listing was.
        cursor: The file that is being read.
    """

    notes: Notes
    counted: int = -1
    known: Mapping[str, int] = field(default_factory=dict)
    listed: dict[str, tuple[Listed, int]] = field(default_factory=dict)
    ready: list[Listed] = field(default_factory=list)
    passed: int = 0
    given: Position = field(default_factory=dict)
    asked: int | None = None
    cursor: Cursor | None = None

    def count(self, number: int) -> Mapping[str, int]:
        """Return what the notes up to a number say."""
        if self.counted != number:
            self.counted, self.known = number, self.notes.up_to(number)
        return self.known

    def next(self, state: "State") -> Listed | None:
        """Return the file to read next; None: there is none that is ready."""
        while self.passed < len(self.ready) and state.size(self.ready[self.passed].path) is not None:
            self.passed += 1
        return self.ready[self.passed] if self.passed < len(self.ready) else None


@dataclass
class State:
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
    def of(cls, position: Position, client: Client) -> "State":
        """Return what a position says; an empty one counts all notes."""
        note = position.get("note", client.notes.newest)
        file = position.get("file")
        at = None if file is None else (Listed(*file["listed"]), file["at"])
        return cls(note, client.count(note), dict(position.get("read", {})), at)

    def size(self, path: str) -> int | None:
        """Return the size of a file when it was read; None if it was not."""
        return self.read.get(path, self.known.get(path))

    def position(self, client: Client) -> dict[str, Any]:
        """Return the position; it counts newer notes if they say nothing that it does not know."""
        newer = client.notes.behind(self.note)
        if newer and all(self.size(path) is not None for path in newer):
            self.note = client.notes.newest
            self.known = client.count(self.note)
            self.read = {path: size for path, size in self.read.items() if self.known.get(path) != size}
        file = None if self.file is None else {"listed": [*self.file[0]], "at": self.file[1]}
        return {"note": self.note, "read": self.read, "file": file}
