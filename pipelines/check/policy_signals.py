"""What a world says of its customers: groups, consents, profiles, tickets, pauses, contacts that others made."""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.check.constants import Constants, channels, roles
from schemas.durations import DAY, HOUR
from schemas.playbook import Playbook
from schemas.playbook_levels import LEVELS

Said = tuple[str, str, str, int, dict[str, Any]]
"""Signal type, kind and name of the subject, time, payload."""

EVERYBODY = "*"
ZONES = ("America/New_York", "Asia/Kathmandu", "Pacific/Auckland", "Europe/Helsinki", "Mars/Olympus")
STATES = ("open", "closed", "reopened")


class PolicySignals:
    """Draws what customers say to the policy."""

    def __init__(self, playbook: Playbook, constants: Constants, chance: random.Random, start: int, span: int) -> None:
        """Draw for a playbook, from `start` on, over `span` milliseconds."""
        self._playbook, self._constants, self._chance = playbook, constants, chance
        self._start, self._span, self._channels = start, span, channels(playbook) or ["app"]

    def every(self, towns: Sequence[Mapping[str, Sequence[str]]]) -> Iterator[Said]:
        """Yield it all, of several societies; some is about everybody."""
        for town in towns:
            yield from self._of_town(town)
        if self._chance.random() < 0.5:
            yield from self._control(LEVELS[0], EVERYBODY)

    def _of_town(self, subjects: Mapping[str, Sequence[str]]) -> Iterator[Said]:
        for person in subjects[LEVELS[0]]:
            yield from self._memberships(person, subjects)
            yield from self._consents(person)
            yield from self._profiles(person)
            yield from self._contacts(person)
        everyone = [(kind, one) for kind, names in subjects.items() for one in names]
        for kind, subject in everyone:
            yield from self._tickets(kind, subject)
            if self._chance.random() < 0.15:
                yield from self._control(kind, subject)

    def _time(self) -> int:
        return self._start + self._chance.randrange(self._span)

    def _early(self) -> int:
        """Return a time before all others."""
        return self._start - self._chance.randint(1, HOUR)

    def _memberships(self, person: str, subjects: Mapping[str, Sequence[str]]) -> Iterator[Said]:
        for kind, share in (("household", 0.7), ("sme", 0.4)):
            if kind in subjects and self._chance.random() < share:
                joins = {"group_kind": kind, "group": self._chance.choice(subjects[kind]), "state": "joined"}
                yield self._of_person("membership", person, self._early(), joins | self._role())
                if self._chance.random() < 0.15:
                    moves = joins | {"state": "left"}
                    if self._chance.random() < 0.5:
                        moves = joins | {"group": self._chance.choice(subjects[kind])}
                    yield self._of_person("membership", person, self._time(), moves | self._role())

    def _role(self) -> dict[str, Any]:
        return {"role": self._chance.choice(roles(self._playbook))}

    def _consents(self, person: str) -> Iterator[Said]:
        for purpose in ("marketing", "care", "service", "profiling"):
            if self._chance.random() < 0.85:
                yield self._of_person("consent", person, self._early(), self._consent(purpose, 0.95))
            if self._chance.random() < 0.4:
                yield self._of_person("consent", person, self._time(), self._consent(purpose, 0.4))

    def _consent(self, purpose: str, granted: float) -> dict[str, Any]:
        state = "granted" if self._chance.random() < granted else "withdrawn"
        found: dict[str, Any] = {"purpose": purpose, "state": state}
        if self._chance.random() < 0.25:
            found["channel"] = self._chance.choice(self._channels)
        if self._chance.random() < 0.25:
            found["valid_until"] = self._time() + self._chance.choice((0, DAY))
        return found

    def _profiles(self, person: str) -> Iterator[Said]:
        times = ([self._early()] if self._chance.random() < 0.8 else []) + (
            [self._time()] if self._chance.random() < 0.2 else []
        )
        for time in times:
            found: dict[str, Any] = {}
            if self._chance.random() < 0.6:
                found["zone"] = self._chance.choice((*ZONES[:4], *ZONES))
            reach = [one for one in self._channels if self._chance.random() < 0.85]
            found["channels"] = " ".join(reach) if reach else self._chance.choice(self._channels)
            yield self._of_person("profile", person, time, found)

    def _tickets(self, kind: str, subject: str) -> Iterator[Said]:
        if self._chance.random() < 0.4:
            known = self._constants.texts("ticket", "state") or ["open"]
            time = self._time()
            for state in (self._chance.choice((*known, *STATES)), *self._chance.sample(STATES, 2)):
                yield "ticket", kind, subject, time, {"ticket_id": self._chance.choice("12"), "state": state}
                time += self._chance.randrange(self._span // 3)

    def _control(self, kind: str, whom: str) -> Iterator[Said]:
        """Yield a pause, and mostly its end."""
        offers = self._playbook.offers
        targets = {"offer": [*offers], "family": [one.family for one in offers.values()], "channel": self._channels}
        scope = self._chance.choice(("everything", *targets))
        told: dict[str, Any] = {"scope": scope}
        if targets.get(scope):
            told["target"] = self._chance.choice(targets[scope])
        paused = self._time()
        yield "control", kind, whom, paused, told | {"action": "pause"}
        if self._chance.random() < 0.7:
            lasts = 1 + self._chance.randrange(self._span // 2)
            yield "control", kind, whom, paused + lasts, told | {"action": "resume"}

    def _contacts(self, person: str) -> Iterator[Said]:
        """Yield contacts that others made."""
        offers = self._playbook.offers
        for _ in range(self._chance.choice((0, 0, 0, 1, 2))):
            name = self._chance.choice([None, *offers])
            said: dict[str, Any] = {"channel": self._chance.choice(self._channels), "state": self._state()}
            if name is not None:
                said |= {"offer": name, "family": offers[name].family, "message": offers[name].message}
            yield self._of_person("contact", person, self._time(), said)

    def _state(self) -> str:
        return self._chance.choice(("sent", "delivered", "failed"))

    def _of_person(self, name: str, person: str, time: int, payload: dict[str, Any]) -> Said:
        return name, LEVELS[0], person, time, payload
