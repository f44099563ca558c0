"""Playbook files: read, checked, and every mistake told with its line."""

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.durations import format_duration
from schemas.errors import LoadError, LoadErrors
from schemas.form import UNKNOWN_KEY, mistakes_of_form, told
from schemas.mistake import Mistake
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.playbook_checks import mistakes
from schemas.playbook_levels import LEVELS
from schemas.yaml_source import KeyPath, YamlSource, parse_yaml, plain_scalar, read_yaml


class PlaybookErrors(LoadErrors):
    """Everything that is wrong with a playbook's form and fit.

    Attributes:
        playbook: What could be understood, to look for more mistakes in; None if that is too little.
        lost: The names of what is left out of it.
    """

    def __init__(self, errors: list[LoadError], playbook: Playbook | None, lost: frozenset[str]) -> None:
        """Keep the errors and what there is besides."""
        super().__init__(errors)
        self.playbook = playbook
        self.lost = lost


def not_about(names: Collection[str], errors: Iterable[LoadError]) -> list[LoadError]:
    """Return the errors without those that only miss one of the names, which is wrong itself."""
    missing = re.compile(rf"(no `|no function `|`for: )(\w+\.)?({'|'.join(map(re.escape, names))})(\.\w+)?`")
    return [error for error in errors if not names or not missing.search(error.message)]


def load_playbook(path: str | Path, lets: Mapping[str, str] | None = None) -> Playbook:
    """Read and check a playbook file; see `parse_playbook`."""
    return check_playbook(read_yaml(path), lets)


def parse_playbook(text: str, file: str = "playbook.yaml", lets: Mapping[str, str] | None = None) -> Playbook:
    """Read and check the text of a playbook.

    Args:
        text: The YAML text.
        file: The name that errors give it.
        lets: New texts for names under `let`, for a try; they change the content hash.

    Raises:
        LoadErrors: it is not YAML, or `lets` names something unknown.
        PlaybookErrors: all mistakes in form and fit, with their lines. Expressions are not looked into.
    """
    return check_playbook(parse_yaml(text, file), lets)


def playbook_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of playbook files, for editors."""
    schema = Playbook.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        for field in part["properties"].values():
            if isinstance(field.get("default"), int) and field.get("type") == "string":
                field["default"] = format_duration(field["default"])
    return schema


def check_playbook(source: YamlSource, lets: Mapping[str, str] | None = None) -> Playbook:
    """Check the data of a playbook that is read already; see `parse_playbook`."""
    source = _with_lets(source, lets or {})
    playbook, wrong, parts = _understood(source)
    errors = [told(source, mistake) for mistake in wrong]
    if playbook is not None and not any(part[0] in Playbook.model_fields for part in parts if len(part) == 1):
        fit = [(mistake, told(source, mistake)) for mistake in mistakes(playbook, whole=not parts)]
        apart = not_about(_names(parts), [error for _, error in fit])
        parts |= {_part_of(mistake) for mistake, error in fit if error in apart}
        errors += [*apart, *playbook.read_files()]
        parts |= {("tables", name) for name in playbook.tables.keys() - playbook.contents.keys()}
        parts |= {("models", name) for name in playbook.models.keys() - playbook.model_files.keys()}
    if playbook is not None and not errors:
        return playbook
    rest = _understood(dataclasses.replace(source, data=_without(source.data, parts)))[0]
    if rest is not None:
        rest.read_files()
        if any(file and name not in rest.contracts for name, file in rest.signals.items()):
            rest = None  # nobody can say what expressions may read
    raise PlaybookErrors(errors, rest, _names(parts))


def _understood(source: YamlSource) -> tuple[Playbook | None, list[Mistake], set[KeyPath]]:
    """Return the playbook without its malformed parts, the mistakes in these, and where they are."""
    wrong: list[Mistake] = []
    parts: set[KeyPath] = set()
    while True:
        try:
            return Playbook.of(dataclasses.replace(source, data=_without(source.data, parts))), wrong, parts
        except ValidationError as error:
            found = list(mistakes_of_form(error, Playbook))
            wrong = wrong or found  # later ones only follow from what is left out
            parts |= {_part_of(mistake) for mistake in found}
            if () in parts:
                return None, wrong, parts


def _part_of(mistake: Mistake) -> KeyPath:
    """Return what to leave out for a mistake: an unknown key itself, else the named part around it; () is all."""
    depth = {**dict.fromkeys(LEVELS, 3), "offers": 2, "let": 2, "tables": 2, "models": 2, "priors": 2, "policy": 2}
    path = mistake.path
    return path if mistake.message == UNKNOWN_KEY or not path else path[: depth.get(str(path[0]), 1)]


def _names(parts: Collection[KeyPath]) -> frozenset[str]:
    return frozenset(str(part[-1]) for part in parts if part)


def _without(value: Any, parts: Collection[KeyPath], here: KeyPath = ()) -> Any:
    """Return plain data without the mapping entries at the given paths."""
    if isinstance(value, list):
        return [_without(item, parts, (*here, n)) for n, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    return {key: _without(item, parts, (*here, key)) for key, item in value.items() if (*here, key) not in parts}


def _with_lets(source: YamlSource, lets: Mapping[str, str]) -> YamlSource:
    """Put other texts under `let`, read as YAML would read them."""
    known = source.data.get("let") if isinstance(source.data, dict) else None
    known = known if isinstance(known, dict) else {}
    if unknown := lets.keys() - known.keys():
        raise LoadErrors(
            [
                LoadError(source.file, None, f"no `{name}` under `let` to set", name, near_miss(name, known))
                for name in sorted(unknown)
            ]
        )
    if not lets:
        return source
    changed = {name: plain_scalar(text) for name, text in lets.items()}
    return dataclasses.replace(source, data={**source.data, "let": {**known, **changed}})
