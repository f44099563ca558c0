"""What triggers ask for, and what the context says of all that they read."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlglot import exp

from pipelines.explain_story.values import Row, dotted, pairs
from schemas.durations import format_duration
from schemas.playbook import Playbook
from schemas.playbook_levels import STEPS, Derived, Moment
from transforms.compiler.references import references
from transforms.compiler.sql.parse import name_of, parse

EXITED = ".exited"

UNKNOWN = "(not in the outputs)"
"""Stands for a value that no row tells, as whether somebody's household is in a segment."""


def condition_of(book: Playbook, trigger: str) -> tuple[str, str]:
    """Return what a trigger asks for, as people read it, and the expression over contexts in it; empty for none.

    Args:
        book: The playbook.
        trigger: LEVEL.NAME of one of its moments and segments, or with `.exited`.
    """
    kind, _, name = trigger.removesuffix(EXITED).partition(".")
    level = book.levels[kind]
    if name in level.moments:
        return _moment(level.moments[name])
    segment = level.segments[name]
    if trigger.endswith(EXITED):
        exit_ = segment.exit or f"NOT ({segment.enter})"
        return f"a member, and {exit_}", exit_
    return segment.enter, segment.enter


def _moment(moment: Moment) -> tuple[str, str]:
    steps = [
        " or ".join(f"{signal}{'' if text == 'any' else f' ({text})'}" for signal, text in step.items())
        for step in (getattr(moment, name) or {} for name in STEPS)
    ]
    told = [f"{name} {step}" for name, step in zip(STEPS, steps, strict=True) if step]
    if told and moment.within:
        told.append(f"within {format_duration(moment.within)}")
    when = moment.when or ""
    return ", ".join([*told, *([f"when {when}" if told else when] if when else [])]), when


def read_of(book: Playbook, kind: str, text: str, row: Row) -> dict[str, Any]:
    """Return what an expression read: `values` by name, the `lets` and the `derived` values behind it.

    Args:
        book: The playbook.
        kind: The level of the subject.
        text: The expression.
        row: A row with `context` and `segments`, as of `contexts` or `decisions`.
    """
    known = dict(dotted(row["context"] or {}))
    values = _values(book, kind, text, known, row["segments"] or [])
    derived = {
        name: level.derived[name].expr for level in [book.levels[kind]] for name in values if name in level.derived
    }
    behind = {
        name: {
            "expr": expr,
            "values": _values(book, kind, expr, known, row["segments"] or []),
            "shaped": [*_shaped(book.levels[kind].derived[name])],
        }
        for name, expr in derived.items()
    }
    return {"values": values, "lets": dict(_lets(book, text)), "derived": behind}


def _shaped(derived: Derived) -> Iterator[str]:
    """Yield what else than its expression makes a derived value."""
    if derived.bounds:
        yield f"between {derived.bounds[0]:g} and {derived.bounds[1]:g}"
    if derived.half_life:
        yield f"and where that falls, fading by half in {format_duration(derived.half_life)}"


def _values(book: Playbook, kind: str, text: str, known: Row, segments: Sequence[str]) -> dict[str, Any]:
    own = book.levels[kind].segments
    members = {name: name.removeprefix(f"{kind}.") in segments for name in (*own, *(f"{kind}.{name}" for name in own))}
    return {name: members.get(name, known.get(name, UNKNOWN)) for name in sorted(references(text, book.let))}


def _lets(book: Playbook, text: str) -> Iterator[tuple[str, str]]:
    """Yield the `let` names that an expression reads, and those behind them, each once."""
    waiting, seen = [text], set[str]()
    while waiting:
        names = {name_of(column) for column in parse(waiting.pop()).find_all(exp.Column)} & book.let.keys() - seen
        seen |= names
        waiting += [book.let[name] for name in sorted(names)]
        yield from ((name, book.let[name]) for name in sorted(names))


def read_words(read: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines about what `read_of` gives: what stands behind the names."""
    yield from (f"{name} stands for {text}" for name, text in read["lets"].items())
    for name, one in read["derived"].items():
        yield ", ".join([f"{name} is {one['expr']}", *one["shaped"]]) + (
            f": {pairs(one['values'].items())}" if one["values"] else ""
        )
