"""What is allowed in a playbook and seldom meant: `validate` tells it, and `--strict` refuses it."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlglot import exp

from schemas.errors import LoadError
from schemas.playbook import Playbook
from schemas.yaml_source import KeyPath
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.sql.parse import inlined, name_of, parse


def doubts(playbook: Playbook, plans: Mapping[str, ContextPlan]) -> list[LoadError]:
    """Return what an analyst should look at again, in the order of the file."""
    found = [*_lets(playbook), *_exits(playbook, plans), *_guards(playbook)]
    return sorted([*found, *_values(playbook)], key=lambda one: one.line or 0)


def _texts(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield every text of a part of a playbook, and where it stands."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(each, (*path, key))
    elif isinstance(value, str):
        yield path, value


def _lets(playbook: Playbook) -> Iterator[LoadError]:
    """Yield the names that no expression has, which are not checked either."""
    rest = {key: part for key, part in playbook.said.items() if key != "let"}
    for name in playbook.let:
        others = [text for other, text in playbook.let.items() if other != name]
        if not any(re.search(rf"\b{name}\b", text) for text in (*(text for _, text in _texts(rest)), *others)):
            hint = "take it out; what it says is not checked either"
            yield playbook.error(("let", name), f"`let.{name}` is used nowhere", hint=hint)


def _exits(playbook: Playbook, plans: Mapping[str, ContextPlan]) -> Iterator[LoadError]:
    for kind, plan in plans.items():
        for one in plan.segments:
            if one.exit is not None and one.exit.nullable and not one.expire:
                told = f"`{kind}.segments.{one.name}`: who is silent stays for ever, as `exit` is then NULL"
                hint = "add `expire`, or make it `COALESCE(…, TRUE)`"
                yield playbook.error((kind, "segments", one.name, "exit"), told, hint=hint)


def _guards(playbook: Playbook) -> Iterator[LoadError]:
    """Yield each NOT before a segment: it is true, too, while the segment cannot be known."""
    levels = playbook.levels.items()
    segments = {name for kind, level in levels for one in level.segments for name in (one, f"{kind}.{one}")}
    parts: dict[KeyPath, Any] = {("offers", name, "eligible"): one.eligible for name, one in playbook.offers.items()}
    for kind, _ in levels:
        said = playbook.said.get(kind) or {}
        parts |= {(kind, key): said.get(key) for key in ("derived", "segments", "moments")}
    for start, part in parts.items():
        for path, text in _texts(part, start):
            yield from _negated(playbook, path, text, segments)


def _negated(playbook: Playbook, path: KeyPath, text: str, segments: Collection[str]) -> Iterator[LoadError]:
    if path[-1] not in ("expr", "enter", "exit", "when", "eligible"):
        return
    tree = inlined(parse(text), playbook.let, segments)
    for one in tree.find_all(exp.Not):
        inner = one.this.unnest()
        if isinstance(inner, exp.Column) and name_of(inner) in segments:
            name = name_of(inner)
            told = f"`{'.'.join(map(str, path))}`: `NOT {name}` is true, too, while `{name}` cannot be known"
            hint = f"write its condition instead, as `NOT (…)`: that is NULL while the features of `{name}` are"
            yield playbook.error(path, told, text, hint)


def _values(playbook: Playbook) -> Iterator[LoadError]:
    """Yield offers whose expected value is negative whatever happens."""
    for name, offer in playbook.offers.items():
        accepted = offer.p_accept if offer.p_accept is not None else str(playbook.priors.get(offer.family))
        try:
            expected = float(offer.value) * float(accepted) - float(offer.cost)
        except ValueError:
            continue  # an expression: who knows
        if expected < 0 and not offer.at_a_loss:
            told = f"`offers.{name}`: its expected value is {expected:g}: it is never sent"
            yield playbook.error(("offers", name), told, hint="raise `value` or `p_accept`, or say `at_a_loss: true`")
