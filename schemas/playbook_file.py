"""Playbook files: read, checked, and every mistake told with its line."""

import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.durations import format_duration
from schemas.errors import LoadError, LoadErrors
from schemas.mistake import Mistake
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.playbook_checks import mistakes
from schemas.playbook_levels import LEVELS
from schemas.yaml_source import KeyPath, YamlSource, parse_yaml, plain_scalar, read_yaml

UNKNOWN_KEY = "unknown key"


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
    errors = [_told(source, mistake) for mistake in wrong]
    if playbook is not None and not any(part[0] in Playbook.model_fields for part in parts if len(part) == 1):
        fit = [(mistake, _told(source, mistake)) for mistake in mistakes(playbook, whole=not parts)]
        told = not_about(_names(parts), [error for _, error in fit])
        parts |= {_part_of(mistake) for mistake, error in fit if error in told}
        errors += [*told, *playbook.read_files()]
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
            found = list(_of_form(error))
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


def _told(source: YamlSource, mistake: Mistake) -> LoadError:
    where = ".".join(map(str, mistake.path))
    return source.error(mistake.path, f"`{where}`: {mistake.message}" if where else mistake.message, hint=mistake.hint)


def _of_form(error: ValidationError) -> Iterator[Mistake]:
    """Translate pydantic's errors, without those that only follow from another."""
    details = error.errors()
    paths = {detail["loc"] for detail in details}
    for detail in details:
        path = detail["loc"]
        if not any(other[: len(path)] == path and other != path for other in paths):
            yield _of_detail(detail)


def _of_detail(detail: ErrorDetails) -> Mistake:
    path = tuple(key for key in detail["loc"] if key != "[key]")
    found, last = detail["input"], str(path[-1]) if path else ""
    match detail["type"]:
        case "missing" if isinstance(path[-1], str):
            return Mistake(path[:-1], f"`{last}` is missing")
        case "extra_forbidden":
            message, hint = UNKNOWN_KEY, _hint_for_key(last, found, _keys_at(path[:-1]))
        case "value_error":
            message, hint = str(detail["ctx"]["error"]), ""
        case "string_pattern_mismatch":
            message, hint = f"{_shown(found)} is not a name", "use small letters, digits and `_`; a letter first"
        case "literal_error":
            message, hint = f"must be {detail['ctx']['expected']}, not {_shown(found)}", ""
        case "model_type" | "dict_type":
            message, hint = f"must be a mapping, as `{{key: value}}`, not {_shown(found)}", ""
        case "missing" | "too_short" | "too_long":
            message, hint = "has too many items" if detail["type"] == "too_long" else "has too few items", ""
        case _:
            told = detail["msg"].replace("Input should", "must")
            for theirs, ours in (
                ("a valid string", "text"),
                ("a valid integer", "a whole number"),
                ("a valid tuple", "a list"),
                ("valid ", ""),
            ):
                told = told.replace(theirs, ours)
            message, hint = f"{told}, not {_shown(found)}", ""
    return Mistake(path, message, hint)


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else f"`{value}`"


def _hint_for_key(key: str, value: Any, known: list[str]) -> str:
    if value is None:
        return "put an expression that has a comma in quotes"
    return near_miss(key, known)


def _keys_at(path: KeyPath) -> list[str]:
    """Return the keys that the model at `path` has."""
    model: type[BaseModel] = Playbook
    keys = iter(path)
    for key in keys:
        field = next(field for name, field in model.model_fields.items() if key in (field.alias, name))
        model, container = _model_in(field.annotation)
        if container:
            next(keys)
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> tuple[type[BaseModel], bool]:
    """Return the model in an annotation, and whether a container holds it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    inner = next(part for part in reversed(get_args(annotation)) if part not in (Ellipsis, NoneType))
    return _model_in(inner)[0], get_origin(annotation) in (dict, tuple)
