"""A small world in which everything that decides happens often: triggers, facts and notices at random."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas.records import MOVED
from tests.transforms.decision.reference_erasure import Erasure
from tests.transforms.decision.reference_policy import (
    ALL,
    DAY,
    HOUR,
    Fact,
    Notice,
    Policy,
    Root,
    Trigger,
    too_large,
)
from tests.transforms.decision.strategies_policy import CHANNELS, SEGMENTS, ZONES

STARTS = (1_774_656_000_000, 1_792_800_000_000, 1_772_841_600_000, 1_793_404_800_000)
"""Midnights UTC, a day before clocks change: in Helsinki (2026-03-29, 2026-10-25), in New York (03-08, 11-01)."""
TICKS = 72
HOME, FIRM = ("household", "h"), ("sme", "f")
PLACES: dict[str, tuple[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "p": ("subscriber", ({}, {"in_root": HOME, "household": "h"})),
    "q": ("subscriber", ({"in_root": HOME, "household": "h", "sme": "f"}, {"in_root": FIRM, "sme": "f"})),
    "h": ("household", ({"household": "h"}, {"household": "h"})),
    "f": ("sme", ({"in_root": HOME, "household": "h", "sme": "f"}, {"sme": "f"})),
}
"""Kind of each subject, and its place before and after it changes its contact root."""
STRANGE = (None, float("nan"), float("inf"), 1e300, 0.0000005, -3.0)


@dataclass
class World:
    """Two people, a household and a company over three days; people may change their contact root once."""

    chance: random.Random
    start: int

    def __post_init__(self) -> None:
        moves = {who: self._tick() if self.chance.random() < 0.4 else None for who in "pq"}
        self.moves = moves | {"h": None, "f": moves["q"]}

    def _tick(self) -> int:
        return self.start + self.chance.randint(1, TICKS) * HOUR

    def _place(self, who: str, tick: int) -> tuple[str, dict[str, Any]]:
        kind, places = PLACES[who]
        moved = self.moves[who]
        return kind, places[moved is not None and tick >= moved]

    def root(self, who: str, tick: int) -> Root:
        """Return the contact root of somebody at a tick."""
        kind, place = self._place(who, tick)
        root: Root = place.get("in_root", (kind, who))
        return root

    def triggers(self, policy: Policy, many: int) -> list[Trigger]:
        """Return triggers, some late, some of one tick."""
        crowded = [self._tick() for _ in range(3)]
        found: dict[str, Trigger] = {}
        for _ in range(many):
            tick = self.chance.choice((*crowded, self._tick(), self._tick()))
            trigger = self._trigger(self.chance.choice("ppqqhf"), tick, policy)
            found[trigger.id()] = trigger
        return sorted(found.values(), key=lambda one: (one.tick, one.id()))

    def _trigger(self, who: str, tick: int, policy: Policy) -> Trigger:
        chance, (kind, place) = self.chance, self._place(who, tick)
        root, late, moved = self.root(who, tick), chance.random() < 0.12, self.moves[who]
        reached = [other for other in "pq" if self.root(other, tick) == root and chance.random() < 0.8]
        names = {"t", "u", f"{kind}.g"} & {name for offer in policy.offers for name in offer.triggers}
        return Trigger(
            who,
            chance.choice([*sorted(names) * 8, "u"]),
            tick,
            x=chance.choice((None, 0, 1, 1, 1)),
            y=chance.choice((1.0, 1.0, 1.0, 2.0, 2.0, 3.0, chance.choice(STRANGE))),
            late=late,
            member=chance.random() < 0.5,
            kind=kind,
            to=chance.choice(reached or [None]) if kind != "subscriber" else None,
            moved_until=moved + chance.randint(0, 6) * HOUR if moved is not None and tick >= moved else None,
            own_tick=tick - chance.randint(1, 10) * HOUR if late else None,
            **place,
        )

    def entries(self, triggers: Sequence[Trigger]) -> list[Fact]:
        """Return that segments are entered, where that triggers, and left, often soon."""
        found = []
        for one in triggers:
            if one.trigger in SEGMENTS:
                found.append(Fact(one.root, one.trigger, one.subject, True, one.tick))
                if self.chance.random() < 0.5:
                    left = one.tick + self.chance.randint(1, 24) * HOUR
                    found.append(Fact(one.root, one.trigger, one.subject, False, left))
        return found

    def moved(self) -> list[Fact]:
        """Return that contact roots are told who has left them."""
        moves = [(who, tick) for who, tick in self.moves.items() if tick is not None and who != "f"]
        return [Fact(self.root(who, tick - 1), f"subscriber.{MOVED}", who, True, tick) for who, tick in moves]

    def facts(self, many: int) -> list[Fact]:
        """Return other memberships, and sizes of the household."""
        found = []
        for _ in range(many):
            who, tick = self.chance.choice("pqhf"), self._tick()
            found.append(Fact(self.root(who, tick), f"{PLACES[who][0]}.w", who, self.chance.random() < 0.7, tick))
        if self.chance.random() < 0.25:
            found += [too_large(HOME, self.chance.random() < 0.6, self._tick()) for _ in range(3)]
        return list(dict.fromkeys(found))

    def settings(self) -> list[Notice]:
        """Return what is said of consents, profiles, tickets and pauses."""
        chance, found = self.chance, list[Notice]()
        for who in "pq":
            for purpose in ("marketing", "care", "service"):
                if chance.random() < 0.8:
                    found += self._tell(who, "consent", self.start - DAY, self._consent(purpose, "granted"))
        for _ in range(chance.randint(0, 16)):
            signal = chance.choice(("consent", "profile", "profile", "ticket", "ticket", "ticket", "control"))
            who = chance.choice("pq" if signal in ("consent", "profile") else "pqhf")
            found += self._tell(who, signal, self._time(), self._payload(signal))
        for _ in range(chance.choice((0, 0, 1, 2))):
            time = self._time()
            tick = (time // HOUR + 1) * HOUR
            found.append(
                Notice(ALL, "subscriber", "*", "control", tick, time, "s", self._id(), self._payload("control"))
            )
        return found

    def _consent(self, purpose: str, state: str) -> dict[str, Any]:
        until = self.chance.choice((None, None, None, self._time(), self._tick()))
        return {
            "purpose": purpose,
            "channel": self.chance.choice((None, None, "app")),
            "state": state,
            "valid_until": until,
        }

    def _payload(self, signal: str) -> dict[str, Any]:
        chance = self.chance
        if signal == "consent":
            return self._consent(
                chance.choice(("marketing", "marketing", "care")), chance.choice(("granted", "withdrawn"))
            )
        if signal == "profile":
            return {
                "zone": chance.choice((None, None, *ZONES[:2], *ZONES)),
                "channels": chance.choice((None, "app sms push", "push  app sms", "app,\tsms", "push", "")),
            }
        if signal == "ticket":
            state = chance.choice(("open", "open", "closed", "reopened"))
            return {"ticket_id": chance.choice("12"), "state": state, "severity": chance.choice((None, 1, 1, 2, 3, 4))}
        scope, target = chance.choice(
            (
                ("everything", None),
                ("offer", "a"),
                ("offer", "b"),
                ("family", "f"),
                ("channel", "app"),
                ("channel", "sms"),
            )
        )
        return {"action": chance.choice(("pause", "resume")), "scope": scope, "target": target}

    def reports(self, triggers: Sequence[Trigger]) -> list[Notice]:
        """Return contacts and outcomes: of decisions, if they were made, and of others."""
        chance, found = self.chance, list[Notice]()
        for one in triggers:
            for _ in range(chance.choice((0, 1, 1, 2, 3)) if one.recipient else 0):
                time = one.tick + chance.randint(0, 10) * HOUR + chance.randrange(HOUR)
                signal, payload = self._report(one.id(chance.choice((0, 0, 0, 1, 2))))
                found += self._tell(one.recipient or "", signal, time, payload)
        for _ in range(chance.choice((0, 0, 0, 1, 4))):
            signal, payload = self._report(chance.choice((None, "of another")))
            found += self._tell(chance.choice("pq"), signal, self._time(), payload)
        return found

    def _report(self, decision: str | None) -> tuple[str, dict[str, Any]]:
        chance = self.chance
        said = {"decision_id": decision, "offer": chance.choice(("a", "b", None)), "channel": chance.choice(CHANNELS)}
        if chance.random() < 0.4:
            return "outcome", said | {
                "result": chance.choice(("accepted", "declined", "declined", "rejected", "ignored"))
            }
        state = chance.choice(("sent", "delivered", "failed", "failed", "failed"))
        message = chance.choice((None, "marketing", "care"))
        return "contact", said | {"family": chance.choice(("f", "g", None)), "message": message, "state": state}

    def goals(self, policy: Policy, triggers: Sequence[Trigger]) -> list[Notice]:
        """Return that goals of a policy are reached, mostly by those whom a trigger concerns and soon after it."""
        chance, found = self.chance, list[Notice]()
        names = [offer.name for offer in policy.offers if offer.goal]
        for one in triggers if names else ():
            for _ in range(chance.choice((0, 0, 1, 1, 2))):
                who = chance.choice((one.subject, one.subject, one.recipient or "p", *"pqhf"))
                time = one.own + chance.randint(-4, 30) * HOUR + chance.choice((-1, 0, chance.randrange(HOUR)))
                found += self._tell(who, "goal", time, {"offer": chance.choice(names)})
        found += [self._at_home(one) for one in found if (one.subject, self.root("f", one.tick)) == ("f", HOME)]
        found.sort(key=lambda one: (-one.tick, one.order))
        return list({(one.root, one.subject, one.payload["offer"], one.time // HOUR): one for one in found}.values())

    def pauses(self, scope: str, target: str) -> list[Notice]:
        """Return that something is paused, and no more."""
        found = []
        for _ in range(self.chance.choice((0, 0, 0, 1, 2))):
            said = {"action": self.chance.choice(("pause", "resume")), "scope": scope, "target": target}
            found += self._tell(self.chance.choice("pqhf"), "control", self._time(), said)
        return found

    def erasures(self) -> list[Erasure]:
        """Return that some are erased; they may be there again afterwards."""
        whom = self.chance.sample("pqhf", self.chance.choice((0, 1, 1, 1, 2)))
        return [Erasure(self._tick(), (PLACES[who][0], who)) for who in whom]

    def _at_home(self, notice: Notice) -> Notice:
        """Return a notice of the company to the household of its member."""
        return replace(notice, root=HOME)

    def _time(self) -> int:
        return self._tick() - self.chance.choice((HOUR, self.chance.randint(1, HOUR)))

    def _id(self) -> str:
        return f"{self.chance.randrange(10**6)}"

    def _tell(self, who: str, signal: str, time: int, payload: dict[str, Any]) -> list[Notice]:
        """Return a notice to the root of a person, and again where that moves later; of a group to itself."""
        late = self.chance.choice((0, 0, 0, 0, self.chance.randint(1, 8)))
        kind, tick, moved, name = PLACES[who][0], (time // HOUR + 1 + late) * HOUR, self.moves[who], self._id()
        if kind != "subscriber":
            return [Notice((kind, who), kind, who, signal, tick, time, "s", name, payload)]
        ticks = [tick] if moved is None or moved <= tick else [tick, moved]
        moves = [(one, moved is not None and moved <= one) for one in ticks]
        return [
            Notice(self.root(who, one), kind, who, signal, one, time, "s", name, payload, came) for one, came in moves
        ]
