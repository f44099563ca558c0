"""What the levels of one playbook have to do with one another: shared records, and what goes to groups."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from schemas.contracts import Contract
from schemas.errors import LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS, MEMBERS
from transforms.compiler.compile_expression import Expression
from transforms.compiler.consents import features_behind
from transforms.compiler.context_plan import ContextPlan, Forward, Goal, Record, SignalPlan
from transforms.compiler.controls import names_in
from transforms.compiler.definitions import Feature, Measure
from transforms.compiler.features import LOCAL, MEMBER, MEMBERSHIP, RECIPIENT_FACTS, SUBSCRIBER, signal_plan
from transforms.compiler.goals import compile_goals
from transforms.compiler.keys import definition_keys
from transforms.compiler.notices import GOAL, Notice, notices_of, schemas_of, unfit_contracts
from transforms.compiler.profiles import PROFILE
from transforms.compiler.reach import read_by, ways_of
from transforms.compiler.references import references, texts_of
from transforms.compiler.strata import behind

ROLES = ("primary", "owner", "member", "employee")
"""The order in which a group's recipient is looked for; other roles come last."""


def joined(
    playbook: Playbook, plans: Mapping[str, ContextPlan], contracts: Mapping[str, Contract]
) -> dict[str, ContextPlan]:
    """Return the plans with the records that they share, and with what subscribers tell groups, and contact roots.

    Raises:
        LoadErrors: a name has different types at two levels; a contract of one's own is not what the policy reads.
    """
    if errors := unfit_contracts(playbook, contracts):
        raise LoadErrors(errors)
    record = _record(playbook, plans)
    subscriber = plans[SUBSCRIBER]
    plans = {kind: _addressing(playbook, plan) for kind, plan in plans.items()}
    forwards = tuple(_forward(plans[kind]) for kind in GROUPS if kind in plans)
    read = {name for forward in forwards for one in forward.members for name in one.reads}
    needed = subscriber.needed | features_behind(behind(subscriber.derived, read), subscriber.features)
    plans = {kind: _hearing(plan, subscriber) for kind, plan in plans.items()}
    signals = {name: _passing(name, signal, forwards) for name, signal in subscriber.signals.items()}
    every = {**plans, SUBSCRIBER: replace(subscriber, forwards=forwards, needed=needed, signals=signals)}
    made = {
        kind: replace(
            plan,
            record=record,
            roles=_roles(playbook, plan),
            announced_segments=_announced(playbook, plan),
            announces_moves=any(map(playbook.waits, playbook.offers.values())),
            contacts_matter=playbook.contacts_matter,
            goals_matter=playbook.goals_matter,
            move_bars=playbook.move_bars,
            max_members=playbook.max_members,
            min_confidence=playbook.min_confidence,
            names=names_in([playbook]),
        )
        for kind, plan in every.items()
    }
    notices, (goals, _) = notices_of(playbook), compile_goals(playbook, contracts)
    made = {kind: noticing(_aiming(plan, goals), notices, contracts) for kind, plan in made.items()}
    keys = definition_keys(made[SUBSCRIBER], {})
    return {
        kind: replace(plan, keys=keys if kind == SUBSCRIBER else definition_keys(plan, keys))
        for kind, plan in made.items()
    }


def noticing(plan: ContextPlan, notices: Mapping[str, Notice], contracts: Mapping[str, Contract]) -> ContextPlan:
    """Return a plan that takes what contact roots are told of signals.

    Args:
        plan: Of any level; it has these signals.
        notices: By signal type.
        contracts: Of the signals; columns that they lack are not taken.
    """
    signals = {**plan.signals}
    for name, notice in notices.items():
        if name == GOAL:
            continue
        taken = [column for column in notice.columns if column in contracts[name].payload]
        columns = tuple(sorted({*signals[name].columns, *taken}))
        signals[name] = replace(signals[name], columns=columns, noticed=("source", "id", *taken))
    return replace(plan, signals=signals, notices=notices, notice_schemas=schemas_of(notices, contracts))


def _aiming(plan: ContextPlan, goals: Mapping[str, tuple[Goal, ...]]) -> ContextPlan:
    """Return a plan that tells which rows of its subjects' own signals fulfil goals."""
    signals = {**plan.signals}
    for name, mine in goals.items():
        signal = replace(signals[name], goals=mine)
        columns = {*signal.columns, *signal.reads} - LOCAL.keys() - {"source", SUBSCRIBER, MEMBER}
        signals[name] = replace(signal, columns=tuple(sorted(columns)))
    return replace(plan, signals=signals)


def columns_read(plans: Mapping[str, ContextPlan]) -> dict[str, tuple[str, ...]]:
    """Return the payload columns of each signal type that any level reads or passes on, sorted."""
    read: dict[str, set[str]] = {}
    for plan in plans.values():
        for name, signal in plan.signals.items():
            if name not in (MEMBERS, RECIPIENT_FACTS):
                read.setdefault(name, set()).update(signal.columns)
    return {name: tuple(sorted(columns)) for name, columns in read.items()}


def triggering(plan: ContextPlan) -> Iterator[tuple[str, Expression]]:
    """Yield the name of each trigger of a level and the condition behind it."""
    for moment in plan.moments:
        if moment.triggers:
            yield f"{plan.level}.{moment.name}", moment.when
    for segment in plan.segments:
        name = f"{plan.level}.{segment.name}"
        if "entered" in segment.triggers:
            yield name, segment.enter
        if "exited" in segment.triggers:
            yield f"{name}.exited", segment.exit or segment.enter


def _record(playbook: Playbook, plans: Mapping[str, ContextPlan]) -> Record:
    context: dict[str, pl.DataType] = {}
    evidence: dict[str, pl.DataType] = {}
    errors = []
    for kind, plan in plans.items():
        mine = {feature.name: feature.dtype for feature in plan.features}
        mine |= {derived.name: derived.dtype for derived in plan.derived}
        made, known = plan.trigger_columns, context | evidence
        for name, dtype in (mine | made).items():
            if known.get(name, dtype) != dtype:
                message = f"`{name}` is {dtype} here and {known[name]} at another level"
                errors.append(playbook.error((kind,), message, hint="give one of them another name"))
        context |= mine
        segments = {segment.name: pl.Boolean() for segment in plan.segments}
        read = {name for _, condition in triggering(plan) for name in condition.columns}
        evidence |= {name: dtype for name, dtype in (mine | segments).items() if name in read} | made
    evidence = evidence or dict(list(context.items())[:1])
    if errors:
        raise LoadErrors(errors)
    return Record(context, evidence)


def _forward(plan: ContextPlan) -> Forward:
    """Return what a group's level takes from subscribers: not their profiles, a group has one of its own."""
    signals = {
        name: (*signal.columns, *signal.tiebreakers, *({SUBSCRIBER} & signal.reads))
        for name, signal in plan.signals.items()
        if (signal.measures or signal.steps) and name not in (MEMBERS, PROFILE)
    }
    members = plan.signals[MEMBERS].measures if MEMBERS in plan.signals else ()
    return Forward(plan.level, signals, members, read_by(plan.ways.values()))


def _passing(name: str, signal: SignalPlan, forwards: Sequence[Forward]) -> SignalPlan:
    """Return what subscribers take from a signal, with what they pass on of it."""
    forwarded = [forward.signals[name] for forward in forwards if name in forward.signals]
    if name == MEMBERSHIP and forwards:
        forwarded.append(("group_kind", "group", "state", "role", "confidence", "source", "id"))
    if not forwarded:
        return signal
    passed = frozenset(column for columns in forwarded for column in columns) - {SUBSCRIBER}
    columns = sorted({*signal.columns, *passed} - {"source", "id"})
    return replace(signal, columns=tuple(columns), passed=passed)


def _announced(playbook: Playbook, plan: ContextPlan) -> frozenset[str]:
    """Return the segments of a level that offers for triggers of other levels read, and those that offers wait for."""
    read: set[str] = set()
    for offer in playbook.offers.values():
        if playbook.waits(offer):
            read = read.union(offer.for_)
        if any(not trigger.startswith(f"{plan.level}.") for trigger in offer.for_):
            read = read.union(*(references(text, playbook.let) for text in texts_of(offer)))
    return frozenset(segment.name for segment in plan.segments if f"{plan.level}.{segment.name}" in read)


def _roles(playbook: Playbook, plan: ContextPlan) -> dict[str, tuple[str | None, ...]]:
    """Return in which order of roles a recipient of each trigger is looked for: as its offers say, then as usual.

    None at the end stands for all other roles; it is not there where offers insist.
    """
    found: dict[str, tuple[str | None, ...]] = {}
    for trigger, _ in triggering(plan):
        named = [offer.to for offer in playbook.offers.values() if offer.to and trigger in offer.for_]
        others = () if any(role.endswith("!") for role in named) else (*ROLES, None)
        found[trigger] = tuple(dict.fromkeys([*(role.removesuffix("!") for role in named), *others]))
    return found


def _addressing(playbook: Playbook, plan: ContextPlan) -> ContextPlan:
    """Return a group's plan that looks for recipients who are in reach, and hears of its members what tells that."""
    ways = ways_of(playbook, plan.level) if plan.level in GROUPS else {}
    heard = {RECIPIENT_FACTS: signal_plan(plan.level, RECIPIENT_FACTS, ())} if ways else {}
    return replace(plan, ways=ways, signals={**plan.signals, **heard})


def _hearing(plan: ContextPlan, subscriber: ContextPlan) -> ContextPlan:
    """Return a group's plan that takes what members measured as it comes, and knows what that comes of."""
    if MEMBERS not in plan.signals:
        return plan
    members = plan.signals[MEMBERS]
    measures = tuple(Measure(one.key, one.key, None, 0, one.dtype) for one in members.measures)
    features = tuple(replace(one, of_members=_read_of_members(one, subscriber)) for one in members.features)
    heard = replace(members, measures=measures, features=features, columns=tuple(sorted(one.key for one in measures)))
    return replace(plan, signals={**plan.signals, MEMBERS: heard}, members=subscriber.features)


def _read_of_members(feature: Feature, subscriber: ContextPlan) -> tuple[Feature, ...]:
    read = behind(subscriber.derived, feature.measure.reads, subscriber.segments)
    return tuple(one for one in subscriber.features if one.name in read)
