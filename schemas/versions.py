"""The versions of a playbook that follow one another in event time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from schemas.durations import format_duration
from schemas.errors import LoadError, LoadErrors
from schemas.playbook import Playbook


@dataclass(frozen=True)
class Versions:
    """One playbook in one or more versions, the first from the beginning on.

    Attributes:
        playbooks: In the order in which they take over.
    """

    playbooks: tuple[Playbook, ...]

    @classmethod
    def of(cls, playbooks: Iterable[Playbook]) -> "Versions":
        """Return checked versions, given in any order.

        Raises:
            LoadErrors: names, ticks, grace or feed timeouts differ, a number is used twice, or times do not ascend with
                numbers.
        """
        ordered = sorted(playbooks, key=lambda book: book.version)
        if errors := [error for before, after in pairwise(ordered) for error in misfits(before, after)]:
            raise LoadErrors(errors)
        return cls(tuple(ordered))

    @property
    def first(self) -> Playbook:
        """The version that is in force at the beginning; name, tick and grace are those of all."""
        return self.playbooks[0]

    @property
    def last(self) -> Playbook:
        """The version that takes over last."""
        return self.playbooks[-1]

    @cached_property
    def starts(self) -> Sequence[int]:
        """The first tick at which each but the first version is in force: the first that is not before its time."""
        tick = self.first.tick
        return [-(-(book.effective_from or 0) // tick) * tick for book in self.playbooks[1:]]

    def at(self, tick: int) -> int:
        """Return the number, from 0, of the version that is in force at a tick."""
        return sum(start <= tick for start in self.starts)

    def spans(self, closed: int | None, upto: int) -> Iterator[tuple[int, int]]:
        """Part the ticks `(closed, upto]` by the version in force; without `closed` from the beginning on.

        Yields:
            The number of the version, from 0, and its last tick of these; at least once, so that a call that has no
            tick to close is one of some version.
        """
        ends = [start - self.first.tick for start in self.starts]
        for number, end in enumerate(ends):
            if end < upto and (closed is None or end > closed) and (number == 0 or end > ends[number - 1]):
                yield number, end
        yield self.at(upto), upto

    def next_start(self, closed: int) -> int | None:
        """Return the next tick after `closed` at which another version takes over, None for never."""
        return min((start for start in self.starts if start > closed), default=None)


def misfits(before: Playbook, after: Playbook) -> Iterator[LoadError]:
    """Tell what keeps a version from following another."""
    if after.playbook != before.playbook:
        told = f"`playbook` is `{after.playbook}`, and `{before.playbook}` in {before.file}"
        yield after.error(("playbook",), told, hint="one directory holds the versions of one playbook")
    if after.version <= before.version:
        told = f"`version` {after.version} does not follow {before.version}, that of {before.file}"
        yield after.error(("version",), told, hint=f"give it the next number, `version: {before.version + 1}`")
    if after.effective_from is None:
        yield no_start(after)
    elif before.effective_from is not None and after.effective_from <= before.effective_from:
        told = f"`effective_from` is not after that of version {before.version} in {before.file}"
        yield after.error(("effective_from",), told, hint="a later version takes over later")
    if after.feed_timeout != before.feed_timeout:
        told = f"`feed_timeout` is not that of {before.file}"
        yield after.error(
            ("feed_timeout",), told, hint="it is the same in all versions: a feed is down for all or none"
        )
    for key in ("tick", "grace"):
        was, is_ = getattr(before, key), getattr(after, key)
        if was != is_:
            told = f"`{key}` is {format_duration(is_)}, and {format_duration(was)} in {before.file}"
            hint = "it is the same in all versions; a playbook with another name may have another"
            yield after.error((key,), told, hint=hint)


def no_start(playbook: Playbook) -> LoadError:
    """Return the mistake of a version that does not say when it takes over."""
    hint = "say when this version takes over, as `effective_from: 2026-12-01T00:00:00+02:00`"
    return playbook.error((), "`effective_from` is missing", hint=hint)
