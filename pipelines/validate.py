"""A playbook looked at without signals: everything that is wrong with it, or what it says and when it is ready."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from pipelines.doubts import doubts
from schemas.durations import format_duration
from schemas.errors import LoadError, LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_file import PlaybookErrors, load_playbook, not_about
from schemas.playbook_levels import STEPS, Moment
from schemas.playbook_offers import Cap, Offer
from schemas.visible import visible
from transforms.compiler.compile_level import PlanErrors
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.load import load_plan, load_plans, scope_of
from transforms.compiler.offer_plan import compile_offers, offers_for
from transforms.compiler.strata import read_by_segment


def validate(path: str | Path, lets: Mapping[str, str] | None = None, *, strict: bool = False) -> str:
    """Return what a playbook says, in a few lines of text, and what is seldom meant.

    Args:
        path: The playbook's file.
        lets: New texts for names under `let`.
        strict: Whether what is seldom meant is wrong.

    Raises:
        LoadErrors: everything that is wrong with it.
    """
    playbook, _ = load_checked(path, lets)
    plans = load_plans(playbook)
    levels = [line for plan in plans.values() for line in _level(playbook, plan)]
    found = doubts(playbook, plans)
    if strict and found:
        raise LoadErrors(found)
    told = [f"warning: {one}" for one in found]
    return "\n".join([*map(visible, [*_head(playbook), *levels, *_offers(playbook)]), *told]) + "\n"


def load_checked(path: str | Path, lets: Mapping[str, str] | None = None) -> tuple[Playbook, ContextPlan]:
    """Return a playbook and the plan of its contexts, after its offers have been looked at as well.

    Args:
        path: The playbook's file.
        lets: New texts for names under `let`.

    Raises:
        LoadErrors: all mistakes at once, in form, fit, features, expressions and offers; what cannot be understood
            is left out to look for mistakes in the rest.
    """
    if Path(path).is_dir():
        raise LoadErrors([LoadError(str(path), None, "is a directory", hint="give a playbook file (YAML) in it")])
    errors: list[LoadError] = []
    lost: set[str] = set()
    try:
        playbook = load_playbook(path, lets)
    except PlaybookErrors as wrong:
        if wrong.playbook is None:
            raise
        playbook, errors, lost = wrong.playbook, [*wrong.errors], {*wrong.lost}
    try:
        plan = load_plan(playbook)
        scopes = {kind: scope_of(each) for kind, each in load_plans(playbook).items()}
    except PlanErrors as wrong:
        errors += not_about(lost, wrong.errors)
        scopes, lost = wrong.scopes, lost.union(wrong.lost)
    try:
        offers_for(playbook, pa.schema([])) if not errors else compile_offers(playbook, scopes)
    except LoadErrors as wrong:
        errors += not_about(lost, wrong.errors)
    if errors:
        raise LoadErrors(errors)
    return playbook, plan


def ready_after(plan: ContextPlan) -> dict[str, int]:
    """Return how long after a cold start each segment and moment is complete, milliseconds.

    It is the furthest that a feature looks back, among those that it reads, through derived values, segments and
    members too; of a sequence at least how long it can take.
    """
    reach = {feature.name: max(one.reach or 0 for one in feature.behind) for feature in plan.features}
    for derived in plan.derived:
        reach[derived.name] = _furthest(reach, derived.expression.columns)
    for segment in plan.segments:
        reach[segment.name] = _furthest(reach, read_by_segment(segment))
    for moment in plan.moments:
        length = moment.sequence.within if moment.sequence else 0
        reach[moment.name] = max(_furthest(reach, moment.when.columns), length)
    names = [*(segment.name for segment in plan.segments), *(moment.name for moment in plan.moments)]
    return {name: reach[name] for name in names}


def _furthest(reach: Mapping[str, int], columns: frozenset[str]) -> int:
    return max((reach[column] for column in columns), default=0)


def _head(playbook: Playbook) -> Iterator[str]:
    yield f"{playbook.playbook}, version {playbook.version}, {playbook.content_hash}"
    times = (("tick", playbook.tick), ("grace", playbook.grace), ("late up to", playbook.allowed_lateness))
    yield f"  {', '.join(f'{name} {format_duration(length)}' for name, length in times)}; {playbook.time_zone}"
    yield f"  reads {', '.join(playbook.signals)}"


def _level(playbook: Playbook, plan: ContextPlan) -> Iterator[str]:
    level, ready = playbook.levels[plan.level], ready_after(plan)
    yield f"{plan.level}: {_many(len(level.features), 'feature')}, {_many(len(level.derived), 'derived value')}"
    for name, segment in level.segments.items():
        yield f"  segment {name}: {_ready(ready[name])}{f' ({segment.describe})' if segment.describe else ''}"
    for name, moment in level.moments.items():
        yield f"  moment {name}: {_ready(ready[name])}{_sequence(moment)}"


def _sequence(moment: Moment) -> str:
    """Return what a moment that is a sequence waits for."""
    steps = [f"{part} {' or '.join(step)}" for part in STEPS if (step := getattr(moment, part))]
    same = f", same {', '.join(moment.same)}" if moment.same else ""
    return f" ({', '.join(steps)} within {format_duration(moment.within)}{same})" if moment.within else ""


def _ready(after: int) -> str:
    return f"ready {format_duration(after)} after the start" if after else "ready at once"


def _offers(playbook: Playbook) -> Iterator[str]:
    offers, caps = playbook.offers, playbook.policy.caps
    yield f"offers: {len(offers)}, with {_many(len(caps), 'cap')}"
    yield from (f"  {name}: {_offer(playbook, offer)}" for name, offer in offers.items())
    yield from (f"  {_cap(cap)}" for cap in caps)
    if offers:
        yield f"  {_consent(playbook)}"


def _consent(playbook: Playbook) -> str:
    """Return whose consent is asked, by the purposes of the offers."""
    purposes = sorted({offer.message for offer in playbook.offers.values()})
    asked = [f"{one} {basis}" for one in purposes if (basis := playbook.basis_of(one)) != "contract"]
    return f"consent: {', '.join(asked)}" if asked else "consent: nobody is asked"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _offer(playbook: Playbook, offer: Offer) -> str:
    again = f", again after {format_duration(offer.cooldown.after)}" if offer.cooldown.after else ""
    first = playbook.inbound_first(offer)
    own = f"own channels for {format_duration(first)}, then " if first is not None else ""
    return f"for {', '.join(offer.for_)} by {own}{', '.join(offer.send)}{again}"


def _cap(cap: Cap) -> str:
    period = f"a {cap.in_}" if isinstance(cap.in_, str) else f"in {format_duration(cap.in_)}"
    purpose = cap.message if cap.message not in ("marketing", "any") else None
    only = [f"of {name}" for name in (*(cap.family or ()), cap.channel, purpose) if name]
    whom = "an SME" if cap.per == "sme" else f"a {cap.per}"
    whatever = " for whatever purpose" if cap.message == "any" else ""
    return " ".join([f"at most {cap.max}", *only, f"{period} to {whom}{whatever}"])
