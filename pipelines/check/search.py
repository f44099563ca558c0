"""The search: worlds at random until one breaks an invariant, which is then made as small as it gets."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from pipelines.check.generate import Worlds
from pipelines.check.invariants import EVERY
from pipelines.check.known import Known
from pipelines.check.played import Played, Row, play
from pipelines.check.reports import reported
from pipelines.check.sameness import NAME, SAYS, cuts_of, first_difference
from pipelines.check.world import Event, Sent, World
from pipelines.stories.times import instant
from schemas.playbook import Playbook

TRIES = 120
"""So often a world is played again at most to make it smaller."""


@dataclass(frozen=True)
class Broken:
    """An invariant that does not hold in a world.

    Attributes:
        name: The invariant.
        says: What it says.
        row: The decision that breaks it.
        how: How.
        world: Where.
        events: As they came.
        played: What was made of them.
    """

    name: str
    says: str
    row: Row
    how: str
    world: World
    events: tuple[Event, ...]
    played: Played


@dataclass
class Seen:
    """What was played.

    Attributes:
        counts: Worlds, triggers, offers, deferrals.
        met: How often each invariant mattered.
        broken: The first that broke.
    """

    counts: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    broken: Broken | None = None

    def note(self, played: Played) -> None:
        """Count what was played."""
        actions = Counter(row["action"] for row in played.decisions)
        self.counts.update(worlds=1, offers=actions["offer"], deferrals=actions["deferred"])
        self.counts["triggers"] += sum(row["n"] == 0 for row in played.answers)
        self.met.update({one.name: one.met(played) for one in EVERY})
        self.met[NAME] += 1 if played.decisions else 0


def search(
    playbook: Playbook, cases: int, seed: int, tell: Callable[[str], None] = lambda what: None, shrinks: bool = True
) -> Seen:
    """Play worlds until one breaks an invariant.

    Args:
        playbook: Whose worlds.
        cases: How many worlds at most.
        seed: Of the draws: the same worlds for the same seed.
        tell: Called with what is being done.
        shrinks: Whether what breaks is made small.
    """
    worlds, seen = Worlds(playbook), Seen()
    for number in range(cases):
        tell(f"world {number + 1} of {cases}")
        name = f"{seed}/{number}"
        world = worlds.world(name)
        first = play(playbook, world.events(), day_of(world))
        world = reported(world, playbook, first, name)
        seen.broken = Trial(playbook, name).broken(world, seen.note)
        if seen.broken is not None:
            tell("making it small")
            seen.broken = _Shrinking(Trial(playbook, name), seen.broken).least() if shrinks else seen.broken
            break
    return seen


def day_of(world: World) -> str:
    """Return the UTC day on which a world begins."""
    times = [one.signal.time for one in world.sent]
    return f"{instant(min(times, default=world.watermarks[-1])):%Y-%m-%d}"


@dataclass
class Trial:
    """Tries worlds, all with the same other way for signals to come once that is drawn."""

    playbook: Playbook
    seed: str
    cuts: tuple[int, ...] | None = None

    def broken(
        self, world: World, note: Callable[[Played], None] = lambda played: None, only: str | None = None
    ) -> Broken | None:
        """Return the first invariant, or only this one, that breaks in a world."""
        played = play(self.playbook, world.events(), day_of(world))
        note(played)
        found = self.broken_at_once(world, played, only) if only != NAME else None
        return self.broken_otherwise(world, played) if found is None and only in (None, NAME) else found

    def broken_at_once(self, world: World, played: Played, only: str | None = None) -> Broken | None:
        """Return the first invariant, or only this one, that breaks in a world that was played."""
        known = Known(self.playbook, world)
        for one in EVERY:
            found = next(one.broken(known, played), None) if only in (None, one.name) else None
            if found is not None:
                return Broken(one.name, one.says, *found, world, world.events(), played)
        return None

    def broken_otherwise(self, world: World, played: Played) -> Broken | None:
        """Return whether a world that was played is another where its signals come in another way."""
        self.cuts = cuts_of(world, played, self.seed) if self.cuts is None else self.cuts
        events = world.other_events(self.seed, self.cuts)
        other = play(self.playbook, events, day_of(world))
        found = first_difference(played, other)
        return None if found is None else Broken(NAME, SAYS, *found, world, events, other)


@dataclass
class _Shrinking:
    """Makes a world that breaks an invariant small: fewer subjects, then fewer signals, then less time."""

    trial: Trial
    found: Broken
    tries: int = TRIES

    def least(self) -> Broken:
        """Return the smallest that was found."""
        if self.found.name == NAME and self.trial.cuts is None:
            self.trial.broken(self.found.world, only=NAME)
        near = {self.found.row.get(name) for name in ("subject", "recipient", "root")}
        self._drop([one for one in self.found.world.sent if one.signal.subject not in near])
        self._halve(lambda world: _by_subject(world.sent))
        self._halve(lambda world: [[one] for one in world.sent])
        self._end_sooner()
        return self.found

    def _halve(self, units: Callable[[World], list[list[Sent]]]) -> None:
        """Drop units of signals: halves of them, then quarters, down to each on its own."""
        size = len(units(self.found.world))
        while size > 1:
            size = -(-size // 2)
            every = units(self.found.world)
            for first in range(0, len(every), size):
                self._drop([one for unit in every[first : first + size] for one in unit])

    def _drop(self, part: Iterable[Sent]) -> None:
        present = {id(one) for one in self.found.world.sent}
        gone = [one for one in part if id(one) in present]
        if gone and len(gone) < len(present):
            self._try(self.found.world.without(gone))

    def _end_sooner(self) -> None:
        world, end = self.found.world, self.found.row["tick"]
        marks = (*(mark for mark in world.watermarks if mark < end), end)
        self._try(replace(world, watermarks=marks, sent=tuple(one for one in world.sent if one.signal.time < end)))

    def _try(self, world: World) -> None:
        if self.tries > 0:
            self.tries -= 1
            self.found = self.trial.broken(world, only=self.found.name) or self.found


def _by_subject(sent: Iterable[Sent]) -> list[list[Sent]]:
    found: dict[str, list[Sent]] = {}
    for one in sent:
        found.setdefault(one.signal.subject or "", []).append(one)
    return list(found.values())
