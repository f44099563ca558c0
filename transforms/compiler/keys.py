"""What makes a definition the same in two versions of a playbook: the hash of what it says and of all that it reads."""

import hashlib
from collections.abc import Iterable, Mapping

from schemas.playbook_levels import MEMBERS
from transforms.arrays.hashing import apart
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.definitions import Feature, Segment
from transforms.compiler.strata import conditions, read_by_segment

FORWARDED = "told "
"""What goes before the name of something that others are told of: no name has a blank."""


def definition_keys(plan: ContextPlan, members: Mapping[str, str]) -> dict[str, str]:
    """Return the hash of every feature, derived value, segment and moment of a level, by name.

    A feature over members is what it says and what it reads of them. A condition is what it says with everything it
    reads put in its place, segments too; a segment also reads those that go before it in its set. How long a
    membership is held, or how often a moment may fire, is not part of it: that may change while the condition stays
    the same. What groups are told of their members, and contact roots of segments, is a definition of its own; a
    group also has those of its members' features, to know since when they are.

    Args:
        plan: The level's plan.
        members: The same of the subscribers, for a group's level.
    """
    found = {feature.name: _feature(feature, members) for feature in plan.features}
    found |= {f"{MEMBERS} {feature.name}": feature.key for feature in plan.members}
    found |= {f"{FORWARDED}{name}": "" for name in plan.announced_segments}
    found |= {
        f"{FORWARDED}{one.kind}": _hash(sorted(m.key for m in one.members)) for one in plan.forwards if one.members
    }
    found |= {recipients_of(one.kind): _hash(sorted(one.facts)) for one in plan.forwards if one.facts}
    fades = {one.name: one.fading.canonical if one.fading else str(None) for one in plan.derived}
    parts = {one.name: [str(one.bounds), fades[one.name], one.expression.canonical] for one in plan.derived}
    parts |= {one.name: [one.sequence.key if one.sequence else "", one.when.canonical] for one in plan.moments}
    parts |= {one.name: [_exit(one), *(each.canonical for each in conditions(one))] for one in plan.segments}
    read = {one.name: one.expression.columns for one in plan.derived}
    read |= {one.name: one.when.columns for one in plan.moments}
    read |= {one.name: read_by_segment(one) for one in plan.segments}
    for name in parts:
        _add(found, parts, read, name)
    return found


def recipients_of(kind: str) -> str:
    """Return the name of what groups of a kind are told of members as recipients."""
    return f"{FORWARDED}{kind} recipients"


def _exit(segment: Segment) -> str:
    """Return what decides about exits and is not written down as a condition."""
    return " ".join(["lasts" if segment.exit is None and segment.expire else "", *sorted(segment.above)])


def _add(
    found: dict[str, str], parts: Mapping[str, Iterable[str]], read: Mapping[str, frozenset[str]], name: str
) -> None:
    """Add the hash of one definition, after those that it reads."""
    waiting = [name]
    while waiting:
        one = waiting[-1]
        if missing := read[one] & parts.keys() - found.keys():
            waiting += sorted(missing)
            continue
        waiting.pop()
        behind = [f"{other}={found[other]}" for other in sorted(read[one] & found.keys())]
        found[one] = _hash([*parts[one], *behind])


def _feature(feature: Feature, members: Mapping[str, str]) -> str:
    if feature.signal != MEMBERS:
        return feature.key
    read = feature.measure.reads & members.keys()
    return _hash([feature.key, *(f"{name}={members[name]}" for name in sorted(read))])


def _hash(parts: Iterable[str]) -> str:
    return hashlib.blake2b(apart(*parts), digest_size=6).hexdigest()
