"""Who is in which group by definition: what was told of one subscriber, replayed."""

from collections import defaultdict
from dataclasses import dataclass, field

from tests.reference.records import Signal

KINDS = ("household", "sme")

Root = tuple[str, str]
"""Kind and id of a contact root."""


@dataclass(frozen=True, order=True)
class Change:
    """What one `membership` signal says; it acts from `since`. The order is the one in which they act."""

    since: int
    time: int
    source: str
    id: str
    joined: bool = field(compare=False)
    group: str = field(compare=False)
    role: str | None = field(compare=False)


@dataclass(frozen=True)
class Place:
    """A group in which a subscriber is, and as what."""

    group: str
    role: str | None


class Identity:
    """All that was told of memberships."""

    def __init__(self) -> None:
        """Start with nobody in any group."""
        self._changes: dict[tuple[str, str], list[Change]] = defaultdict(list)

    def hear(self, row: Signal, tick: int, length: int) -> None:
        """Take in a signal that enters at a tick; a late one acts from the tick before."""
        told = row.payload
        change = Change(
            max(row.time, tick - length),
            row.time,
            row.source,
            row.id,
            told["state"] == "joined",
            str(told["group"]),
            told["role"],
        )
        self._changes[row.subject, str(told["group_kind"])].append(change)

    def forget(self, subscriber: str) -> None:
        """Forget all that was told of a subscriber."""
        for kind in KINDS:
            self._changes.pop((subscriber, kind), None)

    def dissolve(self, kind: str, group: str, time: int) -> None:
        """Let everybody leave a group at a time."""
        for (_, of), changes in self._changes.items():
            if of == kind and any(change.group == group for change in changes):
                changes.append(Change(time, time, "", "", joined=False, group=group, role=None))

    def place(self, subscriber: str, kind: str, time: int) -> Place | None:
        """Return where a subscriber is at a time: who joins a group leaves the one before."""
        here = None
        for change in sorted(
            self._changes[subscriber, kind], key=lambda one: (one.since, one.time, one.source, one.id)
        ):
            if change.since > time:
                break
            if change.joined:
                here = Place(change.group, change.role)
            elif here is not None and here.group == change.group:
                here = None
        return here

    def group(self, subscriber: str, kind: str, time: int) -> str | None:
        """Return the group in which a subscriber is at a time."""
        place = self.place(subscriber, kind, time)
        return place and place.group

    def root(self, subscriber: str, time: int) -> Root:
        """Return whose ledger governs contacting a subscriber at a time."""
        for kind in KINDS:
            if (group := self.group(subscriber, kind, time)) is not None:
                return kind, group
        return "subscriber", subscriber

    def subscribers(self) -> list[str]:
        """Return everybody of whom something was told."""
        return sorted({subscriber for subscriber, _ in self._changes})

    def turns(self, subscriber: str) -> list[int]:
        """Return the times from which something acts, of groups of any kind."""
        return sorted({change.since for kind in KINDS for change in self._changes[subscriber, kind]})
