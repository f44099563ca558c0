"""The kernel of decisions, asked what the reference is asked."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from operator import itemgetter
from typing import Any

import polars as pl
import pyarrow as pa

from schemas.contracts import contract
from schemas.playbook_levels import GROUPS
from schemas.records import AGAIN, ERASED, EVERYBODY, NOTICE
from tests.transforms.decision.reference_erasure import Erasure
from tests.transforms.decision.reference_explore import DIGITS
from tests.transforms.decision.reference_policy import (
    ALL,
    HOUR,
    INBOUND,
    PLAYBOOK,
    WEEKDAYS,
    Hours,
    Notice,
    Offer,
    Policy,
)
from tests.transforms.decision.small_policies import TRIGGERS, batches_of, facts_of, offer_of
from tests.transforms.decision.strategies import Case
from transforms.compiler import offer_definitions as plans
from transforms.compiler.notices import Notice as NoticePlan
from transforms.compiler.quiet import Quiet
from transforms.decision.decide import Decided
from transforms.decision.erasure import decide_and_erase
from transforms.decision.ledgers import Ledgers
from transforms.decision.offers import MADE, WITHDRAWN, offers_of

PAYLOADS = {
    "consent": ("purpose", "channel", "state", "valid_until"),
    "profile": ("zone", "channels"),
    "ticket": ("ticket_id", "state", "severity"),
    "control": ("action", "scope", "target"),
    "contact": ("decision_id", "offer", "family", "message", "channel", "state"),
    "outcome": ("decision_id", "offer", "channel", "result"),
    "goal": ("offer",),
}
LATENESS = 24 * HOUR


def plan_of(policy: Policy) -> plans.OfferPlan:
    """Return a policy as the kernels take it."""
    offers = sorted(policy.offers, key=lambda offer: offer.name)
    silence = policy.contacts_reported_within if policy.on_silence == "release" else None
    more: dict[str, Any] = {"explore": policy.explore} if policy.explore else {}
    if any(offer.goal for offer in offers):
        more["goals_kept"] = LATENESS + max(max(one.goal or 0, one.wait, one.valid_for) for one in offers)
    open_ticket = (pl.col("state") == "open") & (pl.col("severity") <= (policy.no_sales or 0))
    return plans.OfferPlan(
        playbook=PLAYBOOK,
        version=3,
        playbook_hash=blake2b(repr(policy).encode(), digest_size=16).hexdigest(),
        mode="live",
        tick=policy.tick,
        time_zone=policy.time_zone,
        segments=tuple(sorted({offer.only for offer in offers if offer.only})),
        offers=tuple(_offer_of(policy, offer) for offer in offers),
        limits=(*_goals(offers), *_limits(policy, offers)),
        triggers=TRIGGERS,
        notices={signal: _schema(signal) for signal in PAYLOADS if signal in policy.heard or _asks(policy, signal)},
        listed=policy.listed,
        bases={message: basis for message, basis in policy.bases.items() if basis != "contract"},
        ticket=None if policy.no_sales is None else open_ticket,
        quiet=_quiet(policy),
        max_decision_age=policy.max_decision_age,
        reported_within=silence,
        holdouts=tuple(
            plans.Holdout(one.name, one.share, one.family)
            for one in sorted(policy.holdouts, key=lambda one: (one.name != "global", one.name))
        ),
        held=policy.segments,
        **more,
    )


def _offer_of(policy: Policy, offer: Offer) -> plans.Offer:
    if offer.message not in policy.inbound_first:
        return offer_of(offer)
    more: dict[str, Any] = {"inbound": policy.valid_for(offer, INBOUND)}
    return replace(offer_of(replace(offer, send=policy.channels(offer))), **more)


def _asks(policy: Policy, signal: str) -> bool:
    """Tell whether a gate looks at a signal, listed or not."""
    return (signal == "ticket" and policy.no_sales is not None) or (signal == "consent" and bool(policy.bases))


def _goals(offers: Sequence[Offer]) -> Iterable[plans.Limit]:
    more: dict[str, Any] = {"reached": True}
    for offer in offers:
        if offer.goal:
            yield plans.Limit(plans.COOLDOWN, "goal_reached", "subject", 1, offer.goal, (offer.name,), **more)


def _limits(policy: Policy, offers: Sequence[Offer]) -> Iterable[plans.Limit]:
    for rejected in (False, True):
        suffix = "_after_rejection" if rejected else ""
        for offer in offers:
            if length := offer.cooldown_after_rejection if rejected else offer.cooldown:
                yield plans.Limit(
                    plans.COOLDOWN, f"cooldown{suffix}", "subject", 1, length, (offer.name,), rejected=rejected
                )
        for family, lengths in sorted(policy.cooldowns.items()):
            if lengths[rejected]:
                yield plans.Limit(
                    plans.COOLDOWN,
                    f"cooldown_family{suffix}",
                    "subject",
                    1,
                    lengths[rejected],
                    family=(family,),
                    rejected=rejected,
                )
    for n, cap in enumerate(policy.caps):
        yield plans.Limit(
            plans.CAPS,
            f"cap_{n}",
            cap.per,
            cap.max,
            cap.period,
            family=cap.families,
            channel=(cap.channel,) if cap.channel else None,
            message=None if cap.message == "any" else (cap.message,),
        )
    for kind in GROUPS:
        for offer in offers:
            yield plans.Limit(plans.CAPS, "same_tick", kind, 1, policy.tick, (offer.name,))


def _quiet(policy: Policy) -> Quiet | None:
    if not policy.quiet:
        return None
    channels = tuple(sorted(policy.quiet.keys() - {"all", *WEEKDAYS}))
    every = _minutes(policy.quiet.get("all", ()))
    daily = [_minutes(policy.quiet[channel]) for channel in channels] + [()]
    times = tuple(tuple(every + own + _minutes(policy.quiet.get(weekday, ())) for weekday in WEEKDAYS) for own in daily)
    return Quiet(channels, times, ())


def _minutes(hours: Hours) -> tuple[tuple[int, int], ...]:
    if hours == "all":
        return ((0, 1440),)
    return tuple((start, end if start < end else end + 1440) for start, end in hours if start != end)


def _schema(signal: str) -> pa.Schema:
    if signal == "goal":
        return pa.schema([*NOTICE, pa.field("offer", pa.string())], NOTICE.metadata | {b"of": b"goal"})
    return NoticePlan(signal, PAYLOADS[signal]).schema(contract(signal))


def calls(case: Case, cuts: Iterable[int] = ()) -> Iterator[tuple[plans.OfferPlan, list[pa.RecordBatch], int]]:
    """Yield calls that end at some ticks: the plan, what comes, and the last tick.

    Triggers that come late are given after their own tick was closed.
    """
    plans_of = _plans(case)
    late = {trigger.tick - case.policy.tick for trigger in case.triggers if trigger.own < trigger.tick}
    ends = sorted(
        {end for end in (*cuts, *late, *(start - case.policy.tick for start, _ in case.later)) if end < case.upto}
        | {case.upto}
    )
    before = -(2**62)
    for end in ends:
        came = [one for one in case.triggers if before < one.tick <= end]
        facts, notices = ([one for one in told if before < one.tick <= end] for told in (case.facts, case.notices))
        erased = [_erased(one) for one in case.erasures if before < one.tick <= end]
        plan = next(plan for start, plan in reversed(plans_of) if start <= end)
        yield plan, [*batches_of(came), facts_of(facts), *_notices(case.policy, notices), *erased], end
        before = end


def play(case: Case, cuts: Iterable[int] = ()) -> tuple[list[dict[str, Any]], Decided]:
    """Return what the kernel decides as the reference tells it, in calls that end at some ticks; and the last call."""
    rows: list[dict[str, Any]] = []
    waiting: list[pa.RecordBatch] = []
    ledgers, decided = Ledgers.load(None), None
    for plan, batches, end in calls(case, cuts):
        for decided, _ in decide_and_erase(plan, ledgers, [*waiting, *batches], end):
            waiting = decided.waiting
            rows += told_by(case.policy, plan, decided)
    assert decided is not None
    return rows, decided


def told_by(policy: Policy, plan: plans.OfferPlan, decided: Decided) -> list[dict[str, Any]]:
    """Return what was decided as the reference tells it."""
    _publish(plan, decided)
    return [_row(one, policy.says) for one in decided.decisions.to_pylist()]


def _publish(plan: plans.OfferPlan, decided: Decided) -> None:
    """Check that whatever is offered or withdrawn is an event, whichever version made it."""
    events = [one["action"] for one in decided.decisions.to_pylist() if one["action"] in ("offer", "withdrawn")]
    offers = offers_of(plan, decided.decisions, decided.offers).to_pylist()
    assert [one["type"] for one in offers] == [MADE if action == "offer" else WITHDRAWN for action in events]
    assert all(one["data"]["owner"] == "team" for one in offers)


def _erased(one: Erasure) -> pa.RecordBatch:
    kind, name = one.who
    row = {"root_kind": kind, "root": name, "subject_kind": kind, "subject": name, "token": f"#{kind} {name}"}
    return pa.RecordBatch.from_pylist([{**row, "source": "s", "id": one.id, "tick": one.tick}], schema=ERASED)


def _plans(case: Case) -> list[tuple[int, plans.OfferPlan]]:
    """Return the plan of each version and the tick from which it holds, the first one from the beginning."""
    made = [(start, plan_of(policy)) for start, policy in ((-(2**62), case.policy), *case.later)]
    keep = max(plan.memory for _, plan in made)
    notices = {name: schema for _, plan in made for name, schema in plan.notices.items()}
    tickets = tuple(plan.ticket for _, plan in made if plan.ticket is not None)
    return [(start, replace(plan, keep=keep, notices=notices, tickets=tickets)) for start, plan in made]


def _notices(policy: Policy, notices: Sequence[Notice]) -> list[pa.RecordBatch]:
    found = []
    for signal, again in itertools.product((signal for signal in PAYLOADS if signal in policy.heard), (False, True)):
        rows = [
            {
                "root_kind": one.root[0],
                "root": one.root[1],
                "subject_kind": EVERYBODY if one.root == ALL else one.subject_kind,
                "subject": one.subject,
                "tick": one.tick,
                "time": one.time,
                "source": one.source,
                "id": one.id,
                **{name: one.payload.get(name) for name in PAYLOADS[signal]},
            }
            for one in notices
            if (one.signal, one.again) == (signal, again)
        ]
        if rows:
            schema = _schema(signal)
            marked = schema.with_metadata({**schema.metadata, AGAIN: b""}) if again else schema
            found.append(pa.RecordBatch.from_pylist(rows, schema=marked))
    return found


def _row(row: dict[str, Any], says: frozenset[str]) -> dict[str, Any]:
    """Return a record as the reference tells it."""
    return {
        **{name: tell(row) for name, tell in COLUMNS.items() if name in says},
        **{name: row[name] for name in ("decision_id", "n", "action", "offer", "channel", "value_micros", "reason")},
        **{name: _ms(row[name]) for name in ("tick", "trigger_tick", "until")},
        "root": (row["root_kind"], row["root"]),
        "arm": row["holdout"],
        "cause": _cause(row),
        "candidates": [
            (
                one["offer"],
                one["channel"],
                one["value_micros"],
                [_gate(gate, says) for gate in one["gates"]],
            )
            for one in row["candidates"]
        ],
    }


def _gate(gate: dict[str, Any], says: frozenset[str]) -> tuple[Any, ...]:
    told = (gate["gate"], gate["result"], gate["reason"], _ms(gate["until"]))
    if "read" not in says:
        return told
    read = gate["read"]
    return (*told, read and (read["by"], _ms(read["since"])))


def _cause(row: dict[str, Any]) -> tuple[Any, ...] | None:
    told = row["cause"]
    return told and (told["signal"], told["by"], _ms(told["since"]))


def _propensity(row: dict[str, Any]) -> float | None:
    told = row["propensity"]
    return None if told is None else round(told, DIGITS)


def _valid_until(row: dict[str, Any]) -> int | None:
    return _ms(row["valid_until"]) if row["action"] == "offer" else None


def _consents(row: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(one["purpose"], one["channel"], one["state"], _ms(one["valid_until"])) for one in row["consents"]]


def _others(row: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(one["reason"], one["count"]) for one in row["others"]]


COLUMNS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "propensity": _propensity,
    "valid_until": _valid_until,
    "sequence": itemgetter("sequence"),
    "zone": itemgetter("zone"),
    "channels": itemgetter("channels"),
    "consents": _consents,
    "others": _others,
}
"""How columns are told that only some policies say."""


def _ms(instant: Any) -> int | None:
    return None if instant is None else round(instant.timestamp() * 1000)
