"""What makes a definition the same in two versions of a playbook: the hash of what it says and of all that it reads."""

import hashlib
from collections.abc import Iterable, Mapping

from transforms.context.definitions import ContextPlan
from transforms.context.expressions import Expression
from transforms.context.strata import conditions


def definition_keys(plan: ContextPlan) -> dict[str, str]:
    """Return the hash of every feature, derived value, segment and moment of a level, by name.

    A condition is what it says with everything it reads put in its place, segments too. How long a membership is
    held, or how often a moment may fire, is not part of it: that may change while the condition stays the same.
    """
    found = {feature.name: feature.key for feature in plan.features}
    texts: dict[str, list[Expression]] = {one.name: [one.expression] for one in plan.derived}
    texts |= {one.name: conditions(one) for one in plan.segments} | {one.name: [one.when] for one in plan.moments}
    rest = {one.name: str(one.bounds) for one in plan.derived}
    rest |= {one.name: "lasts" if one.exit is None and one.expire else "" for one in plan.segments}
    for name in texts:
        _add(found, texts, rest, name)
    return found


def _add(found: dict[str, str], texts: Mapping[str, Iterable[Expression]], rest: Mapping[str, str], name: str) -> None:
    """Add the hash of one definition, after those that it reads."""
    read = sorted({column for expression in texts[name] for column in expression.columns})
    for column in read:
        if column in texts and column not in found:
            _add(found, texts, rest, column)
    said = [rest.get(name, ""), *(expression.canonical for expression in texts[name])]
    said += [f"{column}={found[column]}" for column in read if column in found]
    found[name] = hashlib.blake2b("\0".join(said).encode(), digest_size=6).hexdigest()
