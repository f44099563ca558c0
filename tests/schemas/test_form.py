"""Mistakes of form: whatever is wrong with a file is told in our words, with what to do, and never in pydantic's."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from pipelines.stories.form import StoryForm
from schemas.fields import FORMS
from schemas.form import OTHER, mistakes_of_form
from schemas.playbook import Playbook
from schemas.sources import SourceConfig
from schemas.yaml_source import KeyPath, parse_yaml
from tests.schemas.test_playbook import WHOLE

THEIRS = re.compile(
    r"(?i)should|a valid |instance of|match pattern|field required|after validation|value error|dictionary|tuple"
    r"|(str|int|list|dict|literal|function)[-a-z]*\[|\[key\]"
)
MORE = """
sme: {features: {n: {count: any, from: members}}, derived: {d: {expr: n, half_life: 1d, refresh: 1h}},
      segments: {s: {enter: n > 1, exclusive: e, priority: 1, expect: 1%..5%}}}
tables: {tariffs: {key: profile.tariff, file: tariffs.csv}}
models: {score: {file: score.onnx, inputs: [a], output: o, column: 0}}
holdouts: {all: {share: 5%, family: data}}
feed_timeout: {usage: 1h}
max_members: 5
min_confidence: 0.5
"""
POLICY = """
  consent: {marketing: opt_in, profiling: opt_out}
  no_sales_while: {ticket: any}
  inbound_first: {marketing: 24h}
  max_decision_age: 1d
  on_silence: release
  quiet: {all: 20:00-08:00, sunday: all, holidays: FI, on_holidays: all, sms: [20:00-08:00]}
  cooldown: {data: {after: 3d, after_rejection: 30d}}
  explore: {data: 10%}
  caps:
    - {per: sme, max: 2, in: month, family: [data], channel: sms, message: any}
"""
PLAYBOOK = WHOLE.replace("\n  caps:\n", POLICY).replace(
    "cooldown: 3d, ", "cooldown: 3d, to: primary!, share: 20% per 7d, "
)
SOURCE = """
{signal: usage, format: csv, source: shop, map: {id: i, time: t}, columns: {i: long}, pseudonymise: [subject],
 without_id: content, delimiter: ";", header: [i, t], null_values: ["", NA]}
"""
STORY = """
story: Anna
playbook: {playbook: p}
then: [{version: 2}]
day: 2026-01-05
decide_from: 10:00
engines: [core]
events:
  - signals: [{usage: anna}]
  - watermark: 11:00
  - expect: {transitions: [x], decisions: [x], offers: [x], receipts: [x], counts: {applied: 1}}
"""
FILES: list[tuple[type[BaseModel], str]] = [
    (Playbook, PLAYBOOK + MORE),
    (SourceConfig, SOURCE),
    (StoryForm, STORY),
]
BAD: list[Any] = [
    *(None, True, 5, -5, 10**17, 1.5, -0.5, "", " ", "x" * 20_001, "No Name!", "\\t", "\t\t", "5", "0s"),
    *([], [5], [""], [None], [[]], ["x", "y", "z", "z"], {}, {"x": 5}, {"No Name!": "x"}, {"": None}, {"a": {"b": []}}),
]


def _paths(data: Any, here: KeyPath = ()) -> Iterator[KeyPath]:
    yield here
    items = enumerate(data) if isinstance(data, list) else data.items() if isinstance(data, dict) else ()
    for key, value in items:
        yield from _paths(value, (*here, key))


def _with(data: Any, path: KeyPath, value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(data)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def _without(data: Any, path: KeyPath) -> Any:
    changed = copy.deepcopy(data)
    place = changed
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return changed


def _changed(data: Any) -> Iterator[Any]:
    """Yield the data with each part replaced by what may not be there, left out, and beside one more."""
    for path in _paths(data):
        yield from (_with(data, path, bad) for bad in BAD)
        yield from (_with(data, (*path, "unheard"), bad) for bad in (None, "x") if isinstance(_at(data, path), dict))
        if path:
            yield _without(data, path)


def _at(data: Any, path: KeyPath) -> Any:
    for key in path:
        data = data[key]
    return data


def _details(model: type[BaseModel], data: Any) -> ValidationError | None:
    try:
        model.model_validate(data)
    except ValidationError as error:
        return error
    return None


@pytest.mark.parametrize(("model", "text"), FILES, ids=[model.__name__ for model, _ in FILES])
def test_whatever_is_wrong_is_told_in_our_words(model: type[BaseModel], text: str) -> None:
    data = parse_yaml(text, "whole.yaml").data
    assert _details(model, data) is None
    kinds: set[str] = set()
    for changed in _changed(data):
        if (error := _details(model, changed)) is None:
            continue
        kinds |= {detail["type"] for detail in error.errors()}
        mistakes = list(mistakes_of_form(error, model))
        assert mistakes
        for mistake in mistakes:
            words = f"{mistake.message} {mistake.hint}".replace("x" * 99, "")
            assert not THEIRS.search(words), words
            assert OTHER not in words, error
            assert all(isinstance(key, int) or not THEIRS.search(key) for key in mistake.path), mistake.path
    assert {"extra_forbidden", "string_type", "literal_error", "too_short", "string_pattern_mismatch"} <= kinds


def _patterns(schema: Any) -> Iterator[str]:
    """Yield the patterns that texts of a model must match."""
    if isinstance(schema, dict):
        if schema.get("type") == "str" and "pattern" in schema:
            yield schema["pattern"]
        for key, part in schema.items():
            yield from _patterns(part) if key != "json_schema_input_schema" else ()
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from _patterns(part)


@pytest.mark.parametrize("model", [model for model, _ in FILES])
def test_each_pattern_has_words(model: type[BaseModel]) -> None:
    assert {*_patterns(model.__pydantic_core_schema__)} <= FORMS.keys()


@pytest.mark.parametrize(
    ("model", "data", "told", "hint"),
    [
        (SourceConfig, {"delimiter": "\\t"}, r"`\t` is not a delimiter", r'a tab is "\t" in double quotes'),
        (SourceConfig, {"delimiter": ""}, "empty is not a delimiter", "one character"),
        (SourceConfig, [], "must be a mapping, as `{key: value}`, not a list", ""),
        (SourceConfig, None, "must be a mapping, as `{key: value}`, not empty", "write `{}`"),
        (SourceConfig, {"header": ["id", "", "time"]}, "is empty", "write a text"),
        (SourceConfig, {"header": []}, "has too few items", "at least 1"),
        (SourceConfig, {"null_values": [0]}, "must be text, not `0`", "put it in quotes: '0'"),
        (SourceConfig, {"map": {"id": "x" * 20_001}}, "has 20,001 characters, of at most 20,000", "shorten it"),
        (SourceConfig, {"format": "xml"}, "must be 'parquet', 'avro', 'jsonl' or 'csv', not `xml`", ""),
        (SourceConfig, {"formt": "csv"}, "unknown key", "`format`"),
        (Playbook, {"playbook": "p", "signals": ["usage"], "let": {"a": "x" * 20_001}}, "has 20,001", "under `let`"),
        (Playbook, {"playbook": "p", "signals": ["usage"], "version": "7"}, "must be a whole number", "without quotes"),
        (
            Playbook,
            {"playbook": "p", "signals": ["usage"], "max_members": 0},
            "greater than or equal to 1, not `0`",
            "",
        ),
        (
            Playbook,
            {"playbook": "p", "signals": ["usage"], "policy": {"cooldown": {"data": {"aftr": "3d"}}}},
            "unknown key",
            "`after`",
        ),
        (StoryForm, {"playbook": "p", "events": [{"watermark": "1"}], "day": "5.1."}, "is not a day", "2026-01-05"),
        (Playbook, {"playbook": "p", "signals": ["usage"], "let": {"1)": None}}, "is not a name", "a comma in quotes"),
        (StoryForm, {"playbook": "p", "events": [{"watermark": "1"}], "day": "2026-02-30"}, "no day `2026-02-30`", ""),
        (StoryForm, {"playbook": "p", "events": [{"expect": {"offer": []}}]}, "unknown key", "`offers`"),
    ],
)
def test_words_say_what_is_wrong_and_what_to_do(model: type[BaseModel], data: Any, told: str, hint: str) -> None:
    error = _details(model, data)
    assert error is not None
    (mistake,) = mistakes_of_form(error, model)
    assert told in mistake.message
    assert hint in mistake.hint
