"""Policies at random, biased so that their parts meet."""

import random
from typing import Any

from tests.transforms.decision.reference_policy import DAY, HOUR, Cap, Holdout, Hours, Offer, Policy

ZONES = ("Europe/Helsinki", "America/New_York", "Asia/Kathmandu", "Mars/Olympus", "")
CHANNELS = ("app", "sms", "push")
MESSAGES = ("marketing", "marketing", "care", "service")
SIGNALS = ("control", "profile", "consent", "ticket", "contact", "outcome")
SEGMENTS = frozenset({"subscriber.g", "household.g", "sme.g"})


def policy_of(chance: random.Random) -> Policy:
    """Return a policy; each of its parts is there as often as not."""

    def often(part: Any, none: Any, share: float = 0.5) -> Any:
        return part if chance.random() < share else none

    bases = {message: chance.choice(("opt_in", "opt_out", "contract")) for message in MESSAGES}
    return Policy(
        offers=tuple(_offer(chance, name) for name in "abcd"[: chance.randint(1, 4)]),
        caps=tuple(_cap(chance) for _ in range(chance.choice((0, 1, 1, 2, 3)))),
        cooldowns={
            family: (_hours(chance, 8), chance.choice((0, chance.randint(10, 60) * HOUR)))
            for family in "fg"
            if chance.random() < 0.4
        },
        bases=often(bases, {}, 0.4),
        listed=frozenset(signal for signal in SIGNALS if chance.random() < 0.75),
        no_sales=often(chance.randint(2, 3), None, 0.5),
        quiet=often(_quiet(chance), {}, 0.4),
        max_decision_age=often(chance.randint(1, 6) * HOUR, None, 0.4),
        contacts_reported_within=often(chance.randint(1, 12) * HOUR, None, 0.7),
        on_silence=chance.choice(("commit", "release", "release")),
        holdouts=often(tuple(_holdout(chance, name) for name in ("control", "global", "second")), (), 0.3),
        segments=often(SEGMENTS, frozenset(), 0.8),
        time_zone=chance.choice(("UTC", *ZONES[:3])),
    )


def _hours(chance: random.Random, most: int = 30) -> int:
    return chance.choice((0, 1, chance.randint(1, most))) * HOUR


def _offer(chance: random.Random, name: str) -> Offer:
    names = {"t": ["t"], "u": ["u"], "g": sorted(SEGMENTS)}
    valid_for = chance.randint(1, 24) * HOUR
    return Offer(
        name,
        triggers=tuple(name for key in chance.sample("ttuugg", 3) for name in names[key]),
        family=chance.choice("fg"),
        message=chance.choice(MESSAGES),
        send=tuple(chance.sample(CHANNELS, chance.randint(1, 2))),
        priority=chance.choice((1, 5, 5)),
        value=chance.choice((None, 1.0, 1.0, 2.0)),
        p_accept=chance.choice((*[0.5] * 8, 1.0, 1.0, 1.5)),
        cost=chance.choice((0.0, 0.0, 0.0, 0.25, 0.25, 1.5)),
        least_x=chance.choice((None, None, None, None, 1)),
        only=chance.choice((*[None] * 16, "member", "subscriber.w", "household.w", "sme.w", "household.g")),
        wait=chance.choice((0, chance.randint(1, 8), *(chance.randint(4, 48) for _ in "123"))) * HOUR,
        valid_for=valid_for,
        cooldown=_hours(chance),
        cooldown_after_rejection=chance.choice((0, chance.randint(10, 60) * HOUR)),
        share=chance.choice((None, None, None, None, (0.6, 5 * HOUR), (0.5, 2 * DAY))),
        at_a_loss=chance.random() < 0.3,
    )


def _cap(chance: random.Random) -> Cap:
    return Cap(
        max=chance.choice((0, *[1] * 8, 2, 2, 3)),
        period=chance.choice(
            (chance.randint(1, 12) * HOUR, chance.randint(6, 48) * HOUR, "day", "day", "week", "month")
        ),
        families=chance.choice((None, None, ("f",), ("f", "g"))),
        channel=chance.choice((None, None, "app")),
        message=chance.choice(("marketing", "any", "any", "care")),
        per=chance.choice(("subscriber", "subscriber", "household", "sme")),
    )


def _holdout(chance: random.Random, name: str) -> Holdout:
    return Holdout(name, chance.choice((0.0, 0.1, 0.4)), chance.choice((None, "f", "g")))


def _quiet(chance: random.Random) -> dict[str, Hours]:
    """Return quiet hours; those of a weekday do not go over midnight."""
    found: dict[str, Hours] = {}
    for key in chance.sample(("all", "app", "sms"), chance.randint(1, 2)):
        found[key] = tuple((chance.randrange(0, 1440, 30), chance.randrange(0, 1440, 30)) for _ in "1")
    if chance.random() < 0.4:
        found["sunday"] = chance.choice(("all", ((0, 600),), ((120, 180), (1380, 1440))))
    return found
