"""What becomes of a running playbook when another version of it takes over: what it says, keeps and starts anew."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipelines.differences import Difference, differences
from pipelines.report import instant
from pipelines.validate import load_checked
from schemas.playbook import Playbook
from schemas.playbook_levels import LEVELS
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.load import load_plans
from transforms.compiler.strata import read_by_segment


@dataclass(frozen=True)
class Fate:
    """What becomes of one definition of a level.

    Attributes:
        kind: feature, derived, segment or moment.
        name: Its name in the version where it is, `level.name`.
        change: kept, changed, added or removed. Without a change of its own words something is changed if what it
            reads is. What has a history is kept whatever its name, or added.
        because: The names that it reads and that are not kept.
        history: Whether it has one: a feature, or a value that fades; if it is removed, unless another name has it now.
        ready_after: How long after the new version takes over it is complete, milliseconds; None if it is removed.
        ready_at: From when on it is complete, milliseconds since the epoch; None if the version does not say when it
            takes over.
    """

    kind: str
    name: str
    change: str
    because: tuple[str, ...] = ()
    history: bool = False
    ready_after: int | None = None
    ready_at: int | None = None

    def record(self) -> dict[str, Any]:
        """Return it as JSON values."""
        shown = {"because": [*self.because], "ready_at": None if self.ready_at is None else instant(self.ready_at)}
        return {**vars(self), **shown}


@dataclass(frozen=True)
class Diff:
    """Two versions of a playbook side by side.

    Attributes:
        old: The version before.
        new: The version after.
        differences: What the files say differently.
        fates: What becomes of each definition, features first.
        triggers: The triggers that offers name in only one of them, to `added` or `removed`.
        sequences: Each moment that was a sequence, as `level.name`, to what becomes of those in flight: `kept` or
            `forgotten`.
    """

    old: Playbook
    new: Playbook
    differences: list[Difference]
    fates: list[Fate]
    triggers: Mapping[str, str]
    sequences: Mapping[str, str]

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            **{name: _of(book) for name, book in (("old", self.old), ("new", self.new))},
            "differences": [one.record() for one in self.differences],
            "definitions": [one.record() for one in self.fates],
            "triggers": dict(self.triggers),
            "sequences": dict(self.sequences),
        }


def diff(old: str, new: str) -> Diff:
    """Compare two playbook files.

    Raises:
        LoadErrors: everything that is wrong with the first of them that has a mistake.
    """
    (before, _), (after, _) = load_checked(old), load_checked(new)
    was, now = load_plans(before), load_plans(after)
    sides = [
        (was.get(level) or _nothing(now[level]), now.get(level) or _nothing(was[level]))
        for level in LEVELS
        if level in was.keys() | now.keys()
    ]
    fates = [fate for side in sides for fate in fates_of(*side, after.effective_from)]
    sequences = {name: fate for side in sides for name, fate in _sequences(*side).items()}
    return Diff(before, after, differences(before, after), fates, _triggers(before, after), sequences)


def fates_of(old: ContextPlan, new: ContextPlan, effective_from: int | None) -> list[Fate]:
    """Return what becomes of each definition of a level when one plan follows another."""
    was, now = old.keys, new.keys
    ready = _ready(old, new, effective_from or 0)
    had, has = _histories(old), _histories(new)
    kept = {was[name] for name in had}
    lost = kept - {now[name] for name in has}
    before, after = _read(old), _read(new)
    fates = []
    for kind, names in after.items():
        for name, reads in names.items():
            same = now[name] in kept if name in has else now[name] == was.get(name)
            change = "kept" if same else "changed" if name in before[kind] else "added"
            because = () if same else tuple(read for read in reads if read in now and was.get(read) != now[read])
            at = None if effective_from is None else ready[name]
            after_start = ready[name] - (effective_from or 0)
            fates.append(Fate(kind, f"{new.level}.{name}", change, because, name in has, after_start, at))
        gone = [name for name in before[kind] if name not in names]
        fates += [Fate(kind, f"{new.level}.{name}", "removed", history=was[name] in lost) for name in gone]
    return fates


def _histories(plan: ContextPlan) -> set[str]:
    """Return the names of what has a history."""
    return {feature.name for feature in plan.features} | {one.name for one in plan.derived if one.fading}


def _nothing(plan: ContextPlan) -> ContextPlan:
    """Return the plan of a level that a version does not have."""
    return replace(plan, signals={}, strata=(), derived=(), members=(), keys={})


def _read(plan: ContextPlan) -> dict[str, dict[str, list[str]]]:
    return {
        "feature": {feature.name: [] for feature in plan.features},
        "derived": {one.name: sorted(one.expression.columns) for one in plan.derived},
        "segment": {one.name: sorted(read_by_segment(one)) for one in plan.segments},
        "moment": {one.name: sorted(one.when.columns) for one in plan.moments},
    }


def _ready(old: ContextPlan, new: ContextPlan, start: int) -> dict[str, int]:
    """Return from when on each definition is complete: when the last of the new features and sequences behind it is."""
    kept = {one.key for one in (*old.features, *old.members)}
    going = {one.sequence.key for one in old.moments if one.sequence}
    waits = {one.name: one.sequence for one in new.moments if one.sequence and one.sequence.key not in going}
    found = {
        one.name: max(start if each.key in kept else each.complete_at(start) for each in one.behind)
        for one in new.features
    }
    reads = {name: columns for names in _read(new).values() for name, columns in names.items()}

    def at(name: str) -> int:
        if name not in found:
            found[name] = max((at(column) for column in reads.get(name, [])), default=start)
            found[name] = max(found[name], start + waits[name].within if name in waits else start)
        return found[name]

    return {name: at(name) for name in reads}


def _sequences(old: ContextPlan, new: ContextPlan) -> dict[str, str]:
    """Return what becomes of what waits of each sequence: it goes on if steps, times and name are the same."""
    was, now = ({one.name: one.sequence.key for one in plan.moments if one.sequence} for plan in (old, new))
    return {f"{new.level}.{name}": "kept" if now.get(name) == key else "forgotten" for name, key in was.items()}


def _triggers(old: Playbook, new: Playbook) -> dict[str, str]:
    before, after = ({name for offer in book.offers.values() for name in offer.for_} for book in (old, new))
    gone = dict.fromkeys(sorted(before - after), "removed")
    return {**dict.fromkeys(sorted(after - before), "added"), **gone}


def _of(book: Playbook) -> dict[str, Any]:
    start = None if book.effective_from is None else instant(book.effective_from)
    said = {"file": book.file, "playbook": book.playbook, "version": book.version, "hash": book.content_hash}
    return {**said, "effective_from": start}
