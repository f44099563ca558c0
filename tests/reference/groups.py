"""Contexts of subscribers and of their groups by definition: each tick, first those, then these.

What `contexts` says holds here too. Besides:

- A membership that is told late acts from the closed tick on, as one that begins or ends there: it makes late only what
  happens to the subscriber.
- A group is known from the first tick after somebody was in it, or after its first own signal.
- Who is in a group at a tick was in it just before. A group knows through a member only what the member told while it
  was in it at every tick since: not the late row of one who left, or left and came back.
- A group is late where a late row of a type that its features or sequences read enters, whatever their conditions.
- Profile rows are about their own subject: those of members tell nothing about the group.
- An inferred feature counts, at a tick, the signals of those members who consent then; a group's own are nobody's.
- An erasure acts before all else at the first tick after its time, or at the first open one; from there on to the end
  of its tombstone signals about the subject, or about a membership in it, are counted `erased`, whatever they would be.
- A group that is too large at a tick is ignored there, as `contexts` says; its contact root is told when that changes.
- Who was erased had no trigger before, and said nothing.
- Who is in reach of a trigger is so by what it said itself, wherever it was then; NULL and no channel are all channels.
- A subscriber had a trigger *in that time* before it moved at t: at a tick in (t - time, t], whoever its root was then.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from operator import eq

from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS, STEPS
from tests.reference.identity import Identity
from tests.reference.records import Address, Grid, Signal
from tests.reference.versions import Succession

ROLES = ("primary", "owner", "member", "employee")


class World:
    """Subscribers, households and SMEs, advanced by definition.

    Attributes:
        levels: The contexts of each kind.
        sizes: Which group became too large (or was so no more) at which tick: kind, group, tick, too large.
    """

    def __init__(self, versions: Sequence[Playbook], grid: Grid, complete_from: int | None = None) -> None:
        """Start under the first version with nobody known and no tick closed."""
        self.playbook, self.identity = versions[0], Identity()
        self._contacts_matter = max(book.move_bars for book in versions)
        addressing = {kind: partial(self._of_group, kind) for kind in GROUPS} | {"subscriber": self._of_subscriber}
        made = partial(Succession, versions, grid, complete_from=complete_from)
        self._subscribers = made("subscriber", addressing["subscriber"])
        self.levels = {
            kind: self._subscribers if kind == "subscriber" else made(kind, addressing[kind], self._subscribers)
            for kind in versions[0].levels
        }
        self.sizes: set[tuple[str, str, int, bool]] = set()
        self._closed: list[int] = []
        self._erasures: dict[tuple[str, str, str, str], int] = {}
        self._until: dict[tuple[str, str], int] = {}
        self._since: dict[str, int] = {}
        self._said: dict[str, list[Signal]] = defaultdict(list)
        for level in self.levels.values():
            level.feeds = self._subscribers.feeds

    def advance(self, signals: Iterable[Signal], upto: int) -> None:
        """Take signals in, then close every tick up to and including `upto`."""
        signals = [*signals]
        for kind, level in self.levels.items():
            level.take(row for row in signals if row.subject_kind == kind and row.signal == "erasure")
        if self._closed:
            self._erase(self._closed[-1] + self.playbook.tick)
        for kind, level in self.levels.items():
            mine = [row for row in signals if row.subject_kind == kind and row.signal != "erasure"]
            level.take(self._spared(mine))
        first = min((level.own_tick(row) for level in self.levels.values() for row in level.waiting), default=upto)
        for tick in self._subscribers.open(first, upto):
            self._close(tick)
        for level in self.levels.values():
            level.closed = upto

    def _spared(self, rows: list[Signal]) -> list[Signal]:
        """Return the rows that are not about anybody who is erased when they would act; count the others."""
        kept = []
        for row in rows:
            level = self.levels[row.subject_kind]
            acts = max(level.own_tick(row), (self._closed[-1] if self._closed else 0) + self.playbook.tick)
            about = {(row.subject_kind, row.subject)}
            if row.signal == "membership":
                about.add((str(row.payload["group_kind"]), str(row.payload["group"])))
            gone = row.signal != "erasure" and any(acts < self._until.get(one, 0) for one in about)
            level.counts["erased"] += gone
            kept += [] if gone else [row]
        return kept

    def _erase(self, tick: int) -> None:
        """Let the erasures of a tick act."""
        every = [row for level in self.levels.values() for row in level.waiting if row.signal == "erasure"]
        due = [row for row in every if self._subscribers.own_tick(row) <= tick]
        for row in sorted(due, key=lambda row: (row.time, row.source, row.id)):
            level, late = self.levels[row.subject_kind], self._subscribers.own_tick(row) < tick
            level.waiting.remove(row)
            request = (row.subject_kind, row.subject, row.source, row.id)
            if tick < self._erasures.get(request, 0):
                level.counts["duplicates"] += 1
                continue
            level.counts.update(applied=1, late=late)
            self._erasures[request] = tick + self.playbook.erased_for
            self._until[row.subject_kind, row.subject] = tick + self.playbook.erased_for
            level.erase(row.subject, tick, late)
            self._lose(row, tick)
        for level in self.levels.values() if due else ():
            level.waiting = self._spared(level.waiting)

    def _lose(self, row: Signal, tick: int) -> None:
        """Take a subscriber out of its groups, or everybody out of a group."""
        if row.subject_kind != "subscriber":
            self.identity.dissolve(row.subject_kind, row.subject, tick - self.playbook.tick)
            return
        self.identity.forget(row.subject)
        self._since[row.subject] = tick
        self._said.pop(row.subject, None)
        for kind in self.levels.keys() - {"subscriber"}:
            for group in self.levels[kind].subjects.values():
                group.lose(partial(eq, row.subject))

    def _close(self, tick: int) -> None:
        for level in self.levels.values():
            level.turn(tick)
        self.playbook = self._subscribers.playbook
        self._erase(tick)
        for level in self.levels.values():
            level.listen(tick)
        applied = self._subscribers.enter(tick)
        for row in applied:
            if row.signal == "membership" and self._believes(row):
                self.identity.hear(row, tick, self.playbook.tick)
            if row.signal in ("consent", "profile"):
                self._said[row.subject].append(row)
        self._subscribers.evaluate(tick)
        for kind in self.levels.keys() - {"subscriber"}:
            self._close_groups(kind, applied, tick)
        self._closed.append(tick)

    def _believes(self, row: Signal) -> bool:
        """Return whether a membership is certain enough, and count it if not."""
        confidence = row.payload.get("confidence")
        doubtful = confidence is not None and confidence < self.playbook.min_confidence
        self._subscribers.counts["doubtful"] += doubtful
        return not doubtful

    def _close_groups(self, kind: str, applied: Iterable[Signal], tick: int) -> None:
        level = self.levels[kind]
        level.enter(tick)
        for group in self._begun(kind, tick):
            level.know(group)
        read = {feature.from_ for feature in level.level.features.values()} - {"profile"}
        read |= {name for one in level.level.moments.values() for part in STEPS for name in getattr(one, part) or ()}
        for row in applied:
            group = self.identity.group(row.subject, kind, row.time)
            if group is not None and row.signal in read and self._stayed(row, kind, group):
                level.note(replace(row, subject=group, subscriber=row.subject), tick)
        for group, subject in level.subjects.items():
            there = self._members(kind, group, tick)
            subject.lose(lambda member, there=there: member not in there)
            subject.members = [self._as_member(name, kind, tick) for name in there]
            known = self._subscribers.contexts
            large = len(there) > self.playbook.max_members
            self.sizes |= {(kind, group, tick, large)} if large != subject.ignored else set()
            subject.ignored = large
            subject.consenting = {name for name in there if known[name, tick].values.get("consent.profiling")}
        level.evaluate(tick)

    def _begun(self, kind: str, tick: int) -> set[str]:
        """Return the groups that somebody came to be in since the tick before."""
        turns = [(name, t) for name in self.identity.subscribers() for t in self.identity.turns(name)]
        found = {self.identity.group(name, kind, t) for name, t in turns if tick - self.playbook.tick <= t < tick}
        return {group for group in found if group is not None}

    def _stayed(self, row: Signal, kind: str, group: str) -> bool:
        """Return whether, at every closed tick since its signal, a subscriber was in the group."""
        since = (tick for tick in self._closed if row.time < tick)
        return all(self.identity.group(row.subject, kind, tick - 1) == group for tick in since)

    def _members(self, kind: str, group: str, tick: int) -> list[str]:
        everybody = self.identity.subscribers()
        return [name for name in everybody if self.identity.group(name, kind, tick - 1) == group]

    def _as_member(self, name: str, kind: str, tick: int) -> dict[str, object]:
        context, place = self._subscribers.contexts[name, tick], self.identity.place(name, kind, tick - 1)
        segments = {segment: segment in context.segments for segment in self.playbook.subscriber.segments}
        return {**context.values, **segments, "role": place and place.role}

    def _of_subscriber(self, subject: str, trigger: str, tick: int) -> Address:
        """Address the trigger of a subscriber: to itself, by its contact root just before the tick."""
        root_kind, root = self.identity.root(subject, tick - 1)
        groups = {kind: self.identity.group(subject, kind, tick - 1) for kind in GROUPS}
        return Address(root_kind, root, subject, **groups, moved_until=self._moved_until(subject, tick))

    def _of_group(self, kind: str, group: str, trigger: str, tick: int) -> Address:
        """Address the trigger of a group to a member who is in reach, or any, in the order of roles, then of ids."""
        named = [offer.to for offer in self.playbook.offers.values() if trigger in offer.for_ and offer.to]
        order = list(dict.fromkeys([*named, *ROLES]))

        def rank(name: str) -> tuple[bool, int, str]:
            role = self.identity.place(name, kind, tick - 1).role
            beyond = not self.in_reach(name, trigger, tick)
            return beyond, order.index(role) if role in order else len(order), name

        there = self._members(kind, group, tick)
        if not there:
            return Address(kind, group, None)
        own = self._of_subscriber(min(there, key=rank), trigger, tick)
        return own if kind == "household" or own.household else replace(own, root_kind=kind, root=group)

    def in_reach(self, name: str, trigger: str, tick: int) -> bool:
        """Return whether some offer for a trigger may come to a subscriber, by one of its channels."""
        offers = [offer for offer in self.playbook.offers.values() if trigger in offer.for_]
        return any(
            self._has(name, channel) and self._consents(name, offer.message, channel, tick)
            for offer in offers
            for channel in offer.send
        )

    def _has(self, name: str, channel: str) -> bool:
        if "profile" not in self.playbook.signals:
            return True
        rows = [row for row in self._said[name] if row.signal == "profile"]
        latest = max(rows, key=lambda row: (row.time, row.source, row.id), default=None)
        channels = latest and latest.payload.get("channels")
        return channels is None or channel in re.split(r"[\s,;]+", str(channels))

    def _consents(self, name: str, message: str, channel: str, tick: int) -> bool:
        state, order = None, None
        for row in self._said[name]:
            about = row.signal == "consent" and row.payload["purpose"] == message
            if about and (row.payload.get("channel") or channel) == channel:
                mine = (row.time, row.payload["state"] != "withdrawn", row.source, row.id)
                until = row.payload.get("valid_until")
                if (order is None or mine > order) and (until is None or tick < until):
                    state, order = row.payload["state"], mine
        basis = self.playbook.basis_of(message)
        return basis == "contract" or (state == "granted" if basis == "opt_in" else state != "withdrawn")

    def _moved_until(self, subject: str, tick: int) -> int | None:
        """Return until when a subscriber is left alone because contacts of an old root may matter."""
        matter, until = self._contacts_matter, []
        since = self._since.get(subject, 0)
        triggers = [one.tick for one in self._subscribers.triggers if one.subject == subject and one.tick >= since]
        for time in self.identity.turns(subject):
            before, after = self.identity.root(subject, time - 1), self.identity.root(subject, time)
            idle = before == ("subscriber", subject) and not any(time - matter < one <= time for one in triggers)
            if time < tick and before != after and not idle:
                until.append(time + matter)
        latest = max(until, default=tick)
        return latest if latest > tick else None
