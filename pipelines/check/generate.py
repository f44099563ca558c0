"""Worlds at random, biased so that triggers fire and limits are met: by constants and lengths of the playbook."""

import random
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from pipelines.check.constants import Constants, channels, lengths, roles
from pipelines.check.policy_signals import PolicySignals
from pipelines.check.world import Sent, World
from pipelines.stories.story import Signal
from schemas.contracts import Contract, Field
from schemas.durations import DAY, HOUR, MINUTE
from schemas.playbook import Playbook
from schemas.playbook_levels import LEVELS
from schemas.versions import Versions
from transforms.shell.versions import contracts_of, load_contexts

STARTS = (1_767_571_200_000, 1_774_656_000_000, 1_792_800_000_000, 1_772_841_600_000, 1_793_404_800_000)
"""Midnights UTC: a usual Monday, and a day before clocks change in Europe and in America."""
SPANS = (8 * HOUR, DAY, 2 * DAY, 4 * DAY, 10 * DAY)
TOWNS = 10
"""So many societies a world has: what they do at the same time is decided together, at little more cost."""
NAMES = {LEVELS[0]: ("ann", "bob", "cleo", "dan", "eve"), "household": ("home", "flat"), "sme": ("firm",)}
_SPECIAL = ("consent", "control", "membership", "contact", "outcome", "erasure", "profile", "ticket")
_LATE = 0.4


class Worlds:
    """Makes worlds for a playbook."""

    def __init__(self, playbook: Playbook) -> None:
        """Read what matters in a playbook."""
        self.playbook, versions = playbook, Versions((playbook,))
        self.contracts, self.columns = contracts_of(versions), load_contexts(versions).columns
        self.constants, self.lengths = Constants(playbook), lengths(playbook)

    def world(self, seed: str) -> World:
        """Return the world of a seed."""
        return _Making(self, random.Random(seed)).world()


class _Making:
    """One world in the making."""

    def __init__(self, worlds: Worlds, chance: random.Random) -> None:
        self.of, self.chance, self.playbook = worlds, chance, worlds.playbook
        self.start, self.span, self._number = chance.choice(STARTS), chance.choice(SPANS), 0
        kinds = [kind for kind in NAMES if kind in worlds.playbook.levels]
        numbers = chance.sample(range(100), TOWNS)
        self.towns = [{kind: [f"{name}{n}" for name in NAMES[kind]] for kind in kinds} for n in numbers]

    def world(self) -> World:
        tick, lasts = self.playbook.tick, [*filter(lambda one: one <= 2 * DAY, self.of.lengths), HOUR]
        policy = PolicySignals(self.playbook, self.of.constants, self.chance, self.start, self.span)
        made = [*self._described(policy), *self._bursts()]
        end = (max(self.start + self.span, *(one.time for one in made)) + max(lasts)) // tick * tick + 2 * tick
        marks = sorted({self.start + self.chance.randrange(self.span) // tick * tick + tick for _ in range(3)})
        sent = [Sent(one, self._after(one, marks)) for one in made]
        needed = {one.after for one in sent}
        return World(tick, (*(mark for mark in marks if mark in needed), end), tuple(sent))

    def _after(self, one: Signal, marks: list[int]) -> int | None:
        """Return the watermark after which a signal comes late; mostly none."""
        least, most = one.time + self.playbook.tick, one.time + min(self.playbook.allowed_lateness, 6 * HOUR)
        fits = [mark for mark in marks if least <= mark <= most]
        return (
            self.chance.choice(fits) if fits and one.signal != "membership" and self.chance.random() < _LATE else None
        )

    def _described(self, policy: PolicySignals) -> Iterator[Signal]:
        """Yield what the policy and the groups know of customers."""
        for name, kind, subject, time, payload in policy.every(self.towns):
            if name in self.of.contracts:
                base = self._payload(self.of.contracts[name]) if name in ("profile", "ticket") else {}
                yield self._signal(name, kind, subject, time, base | payload)

    def _bursts(self) -> Iterator[Signal]:
        """Yield signals in bursts; from one to the next it is often as long as some length of the playbook."""
        names = sorted(name for name in self.of.columns if name in self.of.contracts and name not in _SPECIAL)
        people = [(kind, one) for town in self.towns for kind, every in town.items() for one in every]
        crowded = [self.start + self.chance.randrange(self.span) for _ in range(3)]
        for kind, subject in people:
            time = self.start + self.chance.randrange(self.span)
            for _ in range(self.chance.randint(1, 4)):
                mine = [name for name in names if self._is_of(name, kind)] or names
                if mine:
                    yield from self._burst(self.chance.choice(mine), kind, subject, time)
                time = self._next(time, crowded)

    def _next(self, time: int, crowded: list[int]) -> int:
        tick, chance = self.playbook.tick, self.chance
        steps = [one for one in self.of.lengths if one <= 2 * self.span]
        end = self.start + 2 * self.span
        if steps and chance.random() < 0.6 and (later := time + chance.choice(steps)) < end:
            return later + chance.choice((-tick, 0, 0, tick))
        return chance.choice((*crowded, self.start + chance.randrange(self.span), time + chance.randint(1, 5) * tick))

    def _is_of(self, name: str, kind: str) -> bool:
        return self.of.contracts[name].subject_kind_default == kind or self.chance.random() < 0.2

    def _burst(self, name: str, kind: str, subject: str, time: int) -> Iterator[Signal]:
        payload = self._payload(self.of.contracts[name])
        for _ in range(self.chance.choice((1, 1, 1, 2, 4))):
            yield self._signal(name, kind, subject, time, payload)
            time += self.chance.choice((1, self.chance.randint(1, 3 * MINUTE)))
            changed = self._payload(self.of.contracts[name])
            payload |= {key: value for key, value in changed.items() if self.chance.random() < 0.15}

    def _signal(self, name: str, kind: str, subject: str, time: int, payload: Mapping[str, Any]) -> Signal:
        self._number += 1
        return Signal(name, f"n{self._number}", "net", time, kind, subject, dict(payload))

    def _payload(self, contract: Contract) -> dict[str, Any]:
        """Return values for what is read of a signal, and for what it must have."""
        read = {*self.of.columns.get(contract.name, ())}
        fields = (contract.by_name[name] for name in contract.payload)
        found = {one.name: self._value(contract.name, one) for one in fields if one.required or one.name in read}
        return {name: value for name, value in found.items() if value is not None}

    def _value(self, signal: str, field: Field) -> Any:
        if not field.required and self.chance.random() < 0.08:
            return None
        if field.type == pa.bool_():
            return self.chance.random() < 0.5
        if field.type == pa.string():
            return self._text(signal, field)
        return self._number_of(signal, field)

    def _text(self, signal: str, field: Field) -> str:
        known = self.of.constants.texts(signal, field.name)
        if field.name == "channel":
            known = channels(self.playbook)
        if field.name == "role":
            known = roles(self.playbook)
        if field.name.endswith(("_end", "_start")):
            day = (self.start + self.chance.randrange(-2, 40) * DAY) // DAY
            return str(date(1970, 1, 1) + timedelta(days=day))
        fits = [one for one in known if not field.values or one in field.values]
        chosen = fits if fits and self.chance.random() < 0.85 else [*field.values]
        return self.chance.choice(chosen or ["x", "y"])

    def _number_of(self, signal: str, field: Field) -> float | int:
        if field.instant:
            return self.start + self.chance.randrange(self.span)
        known = self.of.constants.numbers(signal, field.name) or [1.0]
        value = self.chance.choice((*known, 0.0, 1.0)) * self.chance.choice((1, 1, 1, 2, 5))
        value += self.chance.choice((0, 0, 1, -1))
        value = max(value, 0 if field.min is None else field.min)
        value = value if field.max is None else min(value, field.max)
        return int(value) if field.type == pa.int64() else round(float(value), 3)
