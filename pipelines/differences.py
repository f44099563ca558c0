"""What two playbook files say differently, part by part, with the line of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.playbook import Playbook
from schemas.playbook_levels import Level
from schemas.yaml_source import KeyPath

NAMED = ("let", "offers", "priors")
"""Sections of the file whose keys are names."""

LEVELS = tuple(name for name, field in Playbook.model_fields.items() if field.annotation is Level)
"""Sections of the file that are levels; their sections' keys are names."""

LISTED: tuple[KeyPath, ...] = (("signals",), ("policy", "caps"))
"""Lists that hold things apart from one another: what has only moved is no difference."""


_MISSING = object()


@dataclass(frozen=True)
class Said:
    """What one file says at a place: a value, and `file:line`."""

    where: str
    value: Any


@dataclass(frozen=True)
class Difference:
    """One value that is not the same; `old` is None where it was added, `new` where it was removed."""

    path: KeyPath
    old: Said | None
    new: Said | None

    @property
    def change(self) -> str:
        """Return added, removed or changed."""
        return "added" if self.old is None else "removed" if self.new is None else "changed"

    def record(self) -> dict[str, Any]:
        """Return the difference as JSON values."""
        sides = {name: side and {"where": side.where, "value": side.value} for name, side in self._sides}
        return {"path": ".".join(map(str, self.path)), "change": self.change, **sides}

    @property
    def _sides(self) -> tuple[tuple[str, Said | None], ...]:
        return ("old", self.old), ("new", self.new)


def differences(old: Playbook, new: Playbook) -> list[Difference]:
    """Return what differs, in the order of the new file, what was removed from each section after the rest of it."""
    return [*_between(_Pair(old, new), (), old.said, new.said)]


@dataclass(frozen=True)
class _Pair:
    old: Playbook
    new: Playbook

    def difference(self, path: KeyPath, at: tuple[KeyPath | None, KeyPath | None], was: Any, is_: Any) -> Difference:
        """Return a difference at `path`, given where it stands in each file, None for nowhere."""
        sides = ((self.old, at[0], was), (self.new, at[1], is_))
        return Difference(path, *(None if where is None else _said(book, where, value) for book, where, value in sides))


def _said(playbook: Playbook, path: KeyPath, value: Any) -> Said:
    return Said(f"{playbook.file}:{playbook.line_of(path)}", value)


def _between(pair: _Pair, path: KeyPath, was: Mapping[str, Any], is_: Mapping[str, Any]) -> Iterator[Difference]:
    for key in (*is_, *(key for key in was if key not in is_)):
        where = (*path, key)
        yield from _at(pair, where, *(side[key] if key in side else _nothing(where) for side in (was, is_)))


def _at(pair: _Pair, path: KeyPath, was: Any, is_: Any) -> Iterator[Difference]:
    if isinstance(was, dict) and isinstance(is_, dict):
        yield from _between(pair, path, was, is_)
    elif path in LISTED and isinstance(was, list) and isinstance(is_, list):
        yield from _of_lists(pair, path, was, is_)
    elif was != is_ or type(was) is not type(is_):
        yield pair.difference(path, (_where(path, was), _where(path, is_)), was, is_)


def _of_lists(pair: _Pair, path: KeyPath, was: Sequence[Any], is_: Sequence[Any]) -> Iterator[Difference]:
    yield from (pair.difference(path, (None, (*path, n)), None, one) for n, one in enumerate(is_) if one not in was)
    yield from (pair.difference(path, ((*path, n), None), one, None) for n, one in enumerate(was) if one not in is_)


def _nothing(path: KeyPath) -> Any:
    """Return what a missing key stands for: an empty section, or `_MISSING`."""
    sections = (*NAMED, *LEVELS, "policy")
    if path in LISTED:
        return []
    return {} if path[0] in sections and (len(path) == 1 or (path[0] in LEVELS and len(path) == 2)) else _MISSING


def _where(path: KeyPath, value: Any) -> KeyPath | None:
    return None if value is _MISSING else path
