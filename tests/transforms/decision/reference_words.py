"""Short words for tests of the reference: hours, notices and answers."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tests.transforms.decision.kernel import play
from tests.transforms.decision.reference_policy import (
    ALL,
    DAY,
    HOUR,
    Cap,
    Fact,
    Notice,
    Offer,
    Policy,
    Root,
    Trigger,
)
from tests.transforms.decision.strategies import Case

MONDAY = 1_767_571_200_000  # 2026-01-05T00:00:00Z; hours below count from here
S, HOME = ("subscriber", "s"), ("household", "h")
EVERY = frozenset({"control", "profile", "consent", "ticket", "contact", "outcome"})
OPT_IN = {"marketing": "opt_in"}
A = Offer("a")
WAITS = replace(A, wait=5 * HOUR)
SENT = ("a/app", None, None)


def at(*hours: int, **given: Any) -> list[Trigger]:
    return [Trigger(tick=MONDAY + hour * HOUR, **given) for hour in hours]


def say(signal: str, hour: int, root: Root = S, subject: Root | None = None, **payload: Any) -> Notice:
    """Return a notice that acts at an hour; `time` and `id` may be given."""
    tick = MONDAY + hour * HOUR
    time, name = payload.pop("time", hour), payload.pop("id", f"{signal}{hour}{sorted(payload.items(), key=str)}")
    about = subject or (("subscriber", "*") if root == ALL else root)
    return Notice(root, *about, signal, tick, MONDAY + time * HOUR - 1, "source", name, payload)


def fact(hour: int, member: bool = True, segment: str = "subscriber.g") -> Fact:
    return Fact(S, segment, "s", member, MONDAY + hour * HOUR)


Told = Iterable[Fact | Notice]
Later = Sequence[tuple[int, Policy]]


def decide(policy: Policy, triggers: Iterable[Trigger], told: Told = (), later: Later = ()) -> list[dict[str, Any]]:
    """Return what the reference decides, and the kernel, too."""
    case = case_of(policy, triggers, told, later)
    expected = case.decide()
    assert play(case)[0] == expected, "the kernel decides otherwise"
    return expected


def case_of(policy: Policy, triggers: Iterable[Trigger], told: Told = (), later: Later = ()) -> Case:
    """Return a case of sixty days."""
    told = list(told)
    facts = [one for one in told if isinstance(one, Fact)]
    notices = [one for one in told if isinstance(one, Notice)]
    return Case(policy, list(triggers), facts, notices, MONDAY + 60 * DAY, later)


def hour_of(tick: int | None) -> int | None:
    return None if tick is None else (tick - MONDAY) // HOUR


def answers(policy: Policy, triggers: Iterable[Trigger], told: Told = (), later: Later = ()) -> list[tuple[Any, ...]]:
    """Return of each decision the hour, what is done, why and until which hour."""
    return [
        (
            hour_of(one["tick"]),
            f"{one['offer']}/{one['channel']}" if one["action"] == "offer" else one["action"],
            one["reason"],
            hour_of(one["until"]),
        )
        for one in decide(policy, triggers, told, later)
    ]


def gate_of(name: str, policy: Policy, triggers: Iterable[Trigger], told: Iterable[Fact | Notice]) -> tuple[Any, ...]:
    """Return what a gate says of the best candidate of the first decision: result, reason and hour."""
    gates = {gate: said for gate, *said in decide(policy, triggers, told)[0]["candidates"][0][3]}
    result, reason, until = gates[name]
    return result, reason, hour_of(until)


PASSED = ("passed", None, None)


def paused(hour: int, root: Root = S, action: str = "pause", **what: Any) -> Notice:
    return say("control", hour, root, action=action, **({"scope": "everything", "target": None} | what))


def profile(hour: int = 0, channels: str | None = None, zone: str | None = None, **given: Any) -> Notice:
    return say("profile", hour, channels=channels, zone=zone, **given)


def consent(hour: int, state: str, **given: Any) -> Notice:
    said = {"purpose": "marketing", "channel": None, "valid_until": None} | given
    return say("consent", hour, state=state, **said)


def ticket(hour: int, state: str, severity: int | None = 1, name: str = "1", root: Root = S, **given: Any) -> Notice:
    return say("ticket", hour, root, state=state, severity=severity, ticket_id=name, **given)


def contact(hour: int, decision: str | None, state: str, root: Root = S, **given: Any) -> Notice:
    said = {"offer": None, "family": None, "message": None, "channel": "app"} | given
    return say("contact", hour, root, decision_id=decision, state=state, **said)


def outcome(hour: int, decision: str | None, result: str) -> Notice:
    return say("outcome", hour, decision_id=decision, result=result, offer=None, channel=None)


def brought(hour: int, result: str, **given: Any) -> Notice:
    """Return an outcome of a decision of another root, from which its subject comes."""
    said = {"offer": None, "channel": None} | given
    return replace(say("outcome", hour, decision_id="x", result=result, **said), again=True)


def goal(hour: int, offer: str = "a", subject: Root = S, root: Root | None = None, **given: Any) -> Notice:
    return say("goal", hour, root or subject, subject, offer=offer, **given)


PAUSES = Policy((A,), listed=EVERY)
COOLS = replace(A, cooldown=3 * HOUR)
REJECTABLE = replace(A, cooldown_after_rejection=6 * HOUR)
FIRST = at(0)[0].id()
COOLED, CAPPED = ("no_offer", "cooldown", None), ("no_offer", "cap_0", None)
REPORTS = Policy((COOLS,), listed=EVERY)
SILENT = replace(REPORTS, contacts_reported_within=2 * HOUR, on_silence="release")
CAPS = Policy((A,), (Cap(1, 4 * HOUR),), listed=EVERY)
NIGHT = {"all": ((21 * 60, 8 * 60),)}  # in UTC up to 8, in Helsinki (UTC+2) up to 6
