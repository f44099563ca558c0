"""Every name that our own code uses for a column is as good as any other for what a playbook names."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from schemas.durations import DAY, HOUR, MINUTE
from schemas.errors import LoadErrors
from schemas.name_checks import PREFIXES, RESERVED_WORDS
from schemas.playbook_file import parse_playbook
from tests.reference.kernel import batches
from tests.reference.records import Signal
from transforms.compiler.load import load_plan, load_plans
from transforms.compiler.offer_plan import load_offers
from transforms.context.advance import advance
from transforms.decision.decide import decide
from transforms.statistics.segment_profiles import profiles_of
from transforms.statistics.segment_statistics import merged, stats_of

_SOURCES = Path(__file__).parents[2] / "transforms"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_OF_PYTHON = ("cls", "exprs", "more_exprs", "named_exprs", "self")
SIGNALS = [
    Signal("usage", str(n), "s", n * 7 * MINUTE, f"c{n % 2}", {"app": "ab"[n % 2], "mb": n / 8}) for n in range(6)
]
UPTO = DAY


def _names() -> list[str]:
    """Return every text in our source that could be a name of a playbook's: columns are among them."""
    found = set(_OF_PYTHON)
    for path in _SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            found |= {str(node.value)} if isinstance(node, ast.Constant) else set()
            found |= {node.arg} if isinstance(node, ast.keyword) and node.arg else set()
    return sorted({name for name in found if _NAME.fullmatch(name)} - RESERVED_WORDS - {*PREFIXES})


NAMES = _names()
_AGGREGATES = ("count: any", "sum: mb", "last: app", "distinct: app", "max: mb")


def _book(features: Sequence[str], derived: Sequence[str], segments: Sequence[str], moments: Sequence[str]) -> str:
    """Return a playbook with names in each section; the others of a section have names that are nobody's."""
    lines = [
        "playbook: p",
        "signals: [usage]",
        "subscriber:",
        "  features:",
        "    x0_: {count: any, from: usage, window: 1h}",
    ]
    for n, name in enumerate(features):
        lines.append(f"    {name}: {{{_AGGREGATES[n % len(_AGGREGATES)]}, from: usage, window: 1h}}")
    lines.append("  derived: {x1_: {expr: x0_ + 1}")
    lines += [f"    , {name}: {{expr: x0_ + {n}}}" for n, name in enumerate(derived)]
    lines.append("    }\n  segments: {x2_: {enter: x0_ > 1}")
    lines += [f"    , {name}: {{enter: x1_ > {n % 4}}}" for n, name in enumerate(segments)]
    lines.append("    }\n  moments: {x3_: {when: x0_ > 0}")
    lines += [f"    , {name}: {{when: x1_ > {n % 4}}}" for n, name in enumerate(moments)]
    read = [f"{name} IS NOT NULL" for name in (*features, *derived, *segments)]
    lines += [f"    , x4_{n}: {{when: {' OR '.join(read[n : n + 100])}}}" for n in range(0, len(read), 100)]
    lines.append("    }")
    triggers = [f"subscriber.{name}" for name in ("x3_", *segments, *moments)]
    params = ", ".join(f"{name}: {name}" for name in (*features, *derived))
    lines.append(f"offers:\n  x5_: {{for: [{', '.join(triggers)}], family: f, owner: o, value: x1_, send: app,")
    lines.append(f"    p_accept: 1, valid_for: 1h, params: {{{params}}}}}")
    return "\n".join(lines)


def _told(text: str, back: Mapping[str, str]) -> Mapping[str, Sequence[object]]:
    """Return all that comes of the signals, each name as `back` has it."""
    book = parse_playbook(text)
    plan, offers = load_plan(book), load_offers(book)
    made = advance(plan, None, batches(plan, SIGNALS), UPTO, final=True, stats=(HOUR, DAY))
    assert made.dump()
    decided = decide(offers, None, [made.outputs.triggers], UPTO).decisions.to_pylist()
    parts = merged(made.outputs.stats.to_batches())
    told = {
        "contexts": made.outputs.contexts.to_pylist(),
        "transitions": made.outputs.transitions.to_pylist(),
        "segment_stats": stats_of(parts, plan.level, dict.fromkeys(book.subscriber.segments, "")).to_pylist(),
        "segment_profiles": profiles_of(parts, plan.level, {}).to_pylist(),
        "decisions": [
            {key: row[key] for key in ("trigger", "subject", "tick", "params", "context")} for row in decided
        ],
    }
    return {output: sorted((_plain(row, back) for row in rows), key=repr) for output, rows in told.items()}


def _plain(row: Mapping[str, Any], back: Mapping[str, str]) -> object:
    """Return a row with the names of playbooks as `back` has them, wherever they stand."""
    found = {key: row[key] for key in row.keys() - {"words"}}
    for key in found.keys() & {"name", "segment", "feature"}:
        found[key] = back.get(found[key], found[key])
    for key in found.keys() & {"evidence", "params"}:
        found[key] = _keys(json.loads(found[key] or "{}"), back)
    if "trigger" in found:
        found["trigger"] = [back.get(part, part) for part in found["trigger"].split(".")[1:]]
    if "segments" in found:
        found["segments"] = sorted(back.get(name, name) for name in found["segments"])
    if "overlap" in found:
        found["overlap"] = sorted(
            (back.get(each["segment"], each["segment"]), each["members"]) for each in row["overlap"]
        )
    if "context" in found:
        found["context"] = _keys(found["context"], back)
    return sorted(found.items())


def _keys(values: Mapping[str, object], back: Mapping[str, str]) -> object:
    return sorted((back.get(name, name), value) for name, value in values.items())


@pytest.mark.parametrize(
    ("section", "names"),
    [(0, NAMES), (1, NAMES), *((2, NAMES[part::4]) for part in range(4)), (3, NAMES)],  # each segment meets each other
)
def test_what_a_playbook_names_may_be_called_as_a_column_of_ours(section: int, names: Sequence[str]) -> None:
    neutral = [f"z{n}_" for n in range(len(names))]
    ours, theirs = (_book(*([] if n != section else given for n in range(4))) for given in (names, neutral))
    expected = _told(theirs, {})
    for output, rows in _told(ours, dict(zip(names, neutral, strict=True))).items():
        assert rows == expected[output], output
    assert len(str(expected["contexts"])) + len(str(expected["transitions"])) > len(names)


def test_what_groups_see_of_members_may_be_called_as_a_column_of_ours() -> None:
    names = [name for name in NAMES if name != "role"]
    members = "".join(f"    {name}: {{count: any, from: usage, window: 1h}}\n" for name in names)
    group = "".join(f"    {name}: {{sum: {name}, from: members}}\n" for name in names)
    head = "playbook: p\nsignals: [usage, membership]\nsubscriber:\n  features:\n"
    plans = load_plans(parse_playbook(f"{head}{members}household:\n  features:\n{group}"))
    joined = Signal("membership", "m", "s", 0, "c0", {"group_kind": "household", "group": "h", "state": "joined"})
    first = advance(plans["subscriber"], None, batches(plans["subscriber"], [joined, *SIGNALS]), UPTO)
    second = advance(plans["household"], None, first.forwarded, UPTO, final=True)
    values = [row["context"] for row in second.outputs.contexts.to_pylist()]
    assert values
    assert all(len(set(row.values())) == 1 and len(row) == len(names) for row in values)


def test_a_role_is_what_a_member_is_in_its_group() -> None:
    book = "playbook: p\nsignals: [usage, membership]\nsubscriber: {features: {role: {last: app, from: usage}}}"
    parse_playbook(book)
    with pytest.raises(LoadErrors, match="`role` is what groups call the role of a member"):
        parse_playbook(book + "\nhousehold: {}\n")
