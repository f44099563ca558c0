"""Contexts by definition where one version of a playbook follows another; read literally, as in `contexts`.

- At the first tick that is not before its `effective_from` a version takes over.
- A feature is the same if it says the same, whatever its name; a condition, if it and all that it reads do. How long a
  membership holds, when it expires and how often a moment fires may change without the condition being another.
- What is new or changed has no edge at that tick. Who enters or leaves then, for whatever reason, does so with the
  reason `definition_changed`; so do the members of a segment that is no more.
- A new feature has seen no row that entered before, and is NULL while its window looks back past `effective_from`.
- Where the input is complete only from some time on, a feature is NULL while its window looks back past that.
- A feature over members is NULL while a feature is, for one of these reasons, that its column or `where` reads of them,
  directly or through derived values and segments.
- What decided who leaves a segment for that reason is what `exit` read, or `enter`; nothing, if the segment is gone.
- A profile is not a feature, nor is a consent: they were known all along.
- What a sequence waits for stays as it is if its steps, `within` and `same` do; else only rows that enter count.
- A moment remembers when it last fired as long as the version that fired it would have.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from schemas.durations import DAY
from schemas.playbook import Playbook
from schemas.playbook_levels import MEMBERS, Moment
from tests.reference.contexts import (
    Addressing,
    Change,
    Membership,
    Pulse,
    Reference,
    Subject,
    alone,
    asks,
    before_in_set,
    in_order,
    inferred,
    profile_of,
    tabled_of,
)
from tests.reference.expressions import Value, is_true, names
from tests.reference.models import models_of
from tests.reference.records import Context, Grid, Transition
from tests.reference.sequences import Made, Threads, waits_for

CHANGED = "definition_changed"


class Succession(Reference):
    """Every subject's context under versions that follow one another."""

    def __init__(
        self,
        versions: Sequence[Playbook],
        grid: Grid,
        kind: str = "subscriber",
        addressing: Addressing = alone,
        members: "Succession | None" = None,
        complete_from: int | None = None,
    ) -> None:
        """Start under the first version; a group has members."""
        super().__init__(versions[0], grid, kind, addressing)
        self._profile = {name for book in versions for name in profile_of(book, book.levels[kind])}
        self._later = [*versions[1:]]
        self._since: dict[str, int] = {}
        self._members, self._complete_from = members, complete_from
        self._started = -1
        self._anew: set[str] = set()

    def _close(self, tick: int) -> None:
        self.turn(tick)
        super()._close(tick)

    def turn(self, tick: int) -> None:
        """Let the version take over that is in force at a tick."""
        while self._later and self._first_tick(self._later[0]) <= tick:
            self._take_over(self._later.pop(0))

    def _first_tick(self, playbook: Playbook) -> int:
        return self._whole(playbook.effective_from or 0)

    def _take_over(self, playbook: Playbook) -> None:
        before, after = meanings(self.playbook, self.kind), meanings(playbook, self.kind)
        old, new_level = self.level, playbook.levels[self.kind]
        self._started = self._first_tick(playbook)
        self._anew = {name for name in after if before.get(name) != after[name]}
        was = {before[name]: name for name in old.features}
        faded = {before[name]: name for name in old.derived}
        kept = {name: was[after[name]] for name in new_level.features if after[name] in was}
        new = new_level.features.keys() - kept.keys()
        self._since = {name: self._since[other] for name, other in kept.items() if other in self._since}
        self._since |= dict.fromkeys(new, playbook.effective_from or 0)
        for subject in self.subjects.values():
            subject.observed = defaultdict(list, {name: [*subject.observed[other]] for name, other in kept.items()})
            gone = [name for name in subject.memberships if name not in new_level.segments]
            subject.gone = [name for name in gone if subject.memberships.pop(name).entered is not None]
            subject.pulses = defaultdict(Pulse, {
                name: self._pulse(name, pulse, old.moments[name]) for name, pulse in subject.pulses.items()
                if name in new_level.moments
            })  # fmt: skip
            subject.worths = {
                name: subject.worths[faded[after[name]]]
                for name in new_level.derived
                if faded.get(after[name]) in subject.worths
            }
            same = [
                name
                for name in old.moments
                if waits_for(old, name, self.playbook) == waits_for(new_level, name, playbook)
            ]
            subject.threads = defaultdict(Threads, {name: subject.threads[name] for name in same})
        self.playbook, self.level = playbook, new_level
        self._tabled, self._models = tabled_of(playbook, self.level), models_of(playbook)
        self._order = in_order(self.level, playbook.let)
        self._inferred, self._asked = inferred(playbook, new_level), asks(playbook, self.kind)

    def _pulse(self, name: str, pulse: Pulse, old: Moment) -> Pulse:
        """Return what a moment remembers under the next version."""
        lasts = old.again_after and pulse.fired is not None and pulse.fired + old.again_after > self._started
        return Pulse(None if name in self._anew else pulse.edge, pulse.fired if lasts else None)

    def _starts(self, name: str, tick: int) -> bool:
        return tick == self._started and name in self._anew

    def _feature(self, name: str, subject: Subject, tick: int) -> Value:
        return super()._feature(name, subject, tick) if self.is_complete(name, tick) else None

    def is_complete(self, name: str, tick: int) -> bool:
        """Return whether all that a feature, a derived value or a segment looks back on is known at a tick."""
        feature = self.level.features.get(name)
        if feature is None:
            return all(self.is_complete(each, tick) for each in self._reads(name))
        if feature.from_ == MEMBERS and self._members:
            read = {feature.column} | (names(feature.where, self.playbook.let) if feature.where else set())
            return all(self._members.is_complete(each, tick) for each in read)
        starts = [at for at in (self._complete_from, self._since.get(name)) if at is not None]
        if not starts or not feature.window:
            return True
        return self.grid.edges(tick, feature.window, feature.offset or 0)[0] >= max(starts)

    def _reads(self, name: str) -> set[str]:
        """Return what a derived value or a segment reads; nothing of any other name."""
        derived, segment = self.level.derived.get(name), self.level.segments.get(name)
        texts = [derived.expr] if derived else [segment.enter, segment.exit] if segment else []
        read = {each for text in texts if text for each in names(text, self.playbook.let)}
        return read | (before_in_set(self.level, segment) if segment else set())

    def _advanced(self, subject: Subject, tick: int) -> tuple[Context, list[Change]]:
        context, changes = super()._advanced(subject, tick)
        told = [
            (kind, name, event, CHANGED if event == "fired" and self._starts(name, tick) else reason)
            for kind, name, event, reason in changes
        ]
        gone, subject.gone = subject.gone, []
        return context, told + [("segment", name, "exited", CHANGED) for name in gone]

    def _segment(self, name: str, member: Membership, values: Mapping[str, Value], tick: int) -> tuple[str, str | None]:
        event, reason = super()._segment(name, member, values, tick)
        if not self._starts(name, tick):
            return event, reason
        return (event, CHANGED) if event in ("entered", "exited") else ("", None)

    def _fires(self, name: str, moment: Moment, subject: Subject, values: Mapping[str, Value], tick: int) -> bool:
        if self._starts(name, tick) and moment.on_start != "trigger":
            self.completed(name, moment, subject, tick)
            seen = self._seen(values, tick, moment.refresh)
            true = not subject.ignored and is_true(moment.when or "TRUE", seen, self.playbook.let)
            subject.pulses[name].edge = tick if true else None
            return False
        return super()._fires(name, moment, subject, values, tick)

    def _evidence(self, one: Transition, context: Context, made: Made) -> Mapping[str, Value] | None:
        if one.reason == CHANGED and one.kind == "segment" and one.name not in self.level.segments:
            return None
        return super()._evidence(one, context, made)

    def _triggers(self, transition: Transition) -> bool:
        if transition.reason == CHANGED:
            condition = self.level.segments.get(transition.name) or self.level.moments.get(transition.name)
            if condition is None or condition.on_start != "trigger":
                return False
        return super()._triggers(transition)


def meanings(playbook: Playbook, kind: str) -> dict[str, object]:
    """Return what each name of a level means: what it says, with what everything that it reads means."""
    level, found = playbook.levels[kind], dict[str, object]()
    of_members = {} if kind == "subscriber" else meanings(playbook, "subscriber")

    def says(text: str | None) -> object:
        read = sorted(names(text, playbook.let)) if text else []
        return text, [(name, playbook.let[name] if name in playbook.let else of(name)) for name in read]

    def drift(refresh: int | None, text: str | None) -> object:
        return (refresh or DAY, playbook.time_zone) if "days_until" in repr(says(text)) else None

    def of(name: str) -> object:
        if name not in found and name in level.features:
            one = level.features[name]
            local = any("local_" in text for text in (repr(says(one.where)), one.column))
            needs = playbook.profiling_needs if one.inferred else ""
            where = [
                needs,
                one.from_,
                one.aggregate,
                one.column,
                one.window,
                one.offset,
                playbook.time_zone if local else "",
            ]
            read = (names(one.where, playbook.let) if one.where else set()) | {one.column}
            told = (
                [(each, of_members[each]) for each in sorted(read & of_members.keys())] if one.from_ == MEMBERS else []
            )
            found[name] = (says(one.where), where, told)
        elif name not in found and name in level.derived:
            one = level.derived[name]
            every = one.refresh or DAY
            fading = (one.half_life, every, "" if every % DAY else playbook.time_zone) if one.half_life else None
            found[name] = (says(one.expr), one.bounds, fading, drift(one.refresh, one.expr))
        elif name not in found and name in level.segments:
            one = level.segments[name]
            above = sorted(before_in_set(level, one))
            rest = "lasts" if one.expire and not one.exit else ""
            drifts = drift(one.refresh, one.enter), drift(one.refresh, one.exit)
            found[name] = (says(one.enter), says(one.exit), rest, drifts, [(key, of(key)) for key in above])
        elif name not in found and name in level.moments:
            one = level.moments[name]
            found[name] = (says(one.when), waits_for(level, name, playbook), drift(one.refresh, one.when))
        return repr(found.get(name, name))

    return {name: of(name) for name in (*level.features, *level.derived, *level.segments, *level.moments)}
