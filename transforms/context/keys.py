"""What makes a definition the same in two versions of a playbook: the hash of what it says and of all that it reads."""

import hashlib
from collections.abc import Iterable, Mapping

from transforms.context.definitions import ContextPlan, Segment
from transforms.context.strata import conditions, read_by_segment


def definition_keys(plan: ContextPlan) -> dict[str, str]:
    """Return the hash of every feature, derived value, segment and moment of a level, by name.

    A condition is what it says with everything it reads put in its place, segments too; a segment also reads those
    that go before it in its set. How long a membership is held, or how often a moment may fire, is not part of it: that
    may change while the condition stays the same.
    """
    found = {feature.name: feature.key for feature in plan.features}
    said = {one.name: [str(one.bounds), str(one.fading), one.expression.canonical] for one in plan.derived}
    said |= {one.name: [one.sequence.key if one.sequence else "", one.when.canonical] for one in plan.moments}
    said |= {one.name: [_exit(one), *(each.canonical for each in conditions(one))] for one in plan.segments}
    read = {one.name: one.expression.columns for one in plan.derived}
    read |= {one.name: one.when.columns for one in plan.moments}
    read |= {one.name: read_by_segment(one) for one in plan.segments}
    for name in said:
        _add(found, said, read, name)
    return found


def _exit(segment: Segment) -> str:
    """Return what decides about exits and is not written down as a condition."""
    return " ".join(["lasts" if segment.exit is None and segment.expire else "", *sorted(segment.above)])


def _add(
    found: dict[str, str], said: Mapping[str, Iterable[str]], read: Mapping[str, frozenset[str]], name: str
) -> None:
    """Add the hash of one definition, after those that it reads."""
    for other in sorted(read[name] & said.keys() - found.keys()):
        _add(found, said, read, other)
    behind = [f"{other}={found[other]}" for other in sorted(read[name] & found.keys())]
    found[name] = hashlib.blake2b("\0".join([*said[name], *behind]).encode(), digest_size=6).hexdigest()
