"""Playbook files: read, checked, and every mistake told with its line."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.durations import format_duration
from schemas.errors import LoadError, LoadErrors
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.playbook_checks import Mistake, mistakes
from schemas.yaml_source import KeyPath, YamlSource, parse_yaml, plain_scalar, read_yaml

UNKNOWN_KEY = "unknown key"


class PlaybookErrors(LoadErrors):
    """Everything that is wrong with a playbook's form and fit.

    Attributes:
        playbook: What could be understood, to look for more mistakes in; None if that is too little.
        lost: The names of what could not be understood.
    """

    def __init__(self, errors: list[LoadError], playbook: Playbook | None, lost: frozenset[str]) -> None:
        """Keep the errors and what there is besides."""
        super().__init__(errors)
        self.playbook = playbook
        self.lost = lost

    def add(self, errors: Collection[LoadError]) -> list[LoadError]:
        """Return all errors together, without those that only miss what is lost."""
        news = [error for error in errors if not any(f"`{name}`" in error.message for name in self.lost)]
        return [*self.errors, *news]


def load_playbook(path: str | Path, lets: Mapping[str, str] | None = None) -> Playbook:
    """Read and check a playbook file; see `parse_playbook`."""
    return _checked(read_yaml(path), lets or {})


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
    return _checked(parse_yaml(text, file), lets or {})


def playbook_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of playbook files, for editors."""
    schema = Playbook.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        for field in part["properties"].values():
            if isinstance(field.get("default"), int) and field.get("type") == "string":
                field["default"] = format_duration(field["default"])
    return schema


def _checked(source: YamlSource, lets: Mapping[str, str]) -> Playbook:
    source = _with_lets(source, lets)
    playbook, of_form, lost = _understood(source)
    wrong = PlaybookErrors([_told(source, mistake) for mistake in of_form], playbook, frozenset(lost))
    errors = wrong.add([_told(source, mistake) for mistake in mistakes(playbook, whole=not lost)] if playbook else [])
    if playbook is None or errors:
        raise PlaybookErrors(errors, playbook, wrong.lost)
    return playbook


def _understood(source: YamlSource) -> tuple[Playbook | None, list[Mistake], set[str]]:
    """Return the playbook without its malformed parts, the mistakes in these, and the names lost with them."""
    first: list[Mistake] = []
    lost: set[str] = set()
    while True:
        try:
            return Playbook.of(source), first, lost
        except ValidationError as error:
            found = list(_of_form(error))
            first = first or found
            parts = {_part_of(mistake.path, whole=mistake.message == UNKNOWN_KEY) for mistake in found}
            if () in parts:
                return None, first, lost
            lost |= {str(part[-1]) for part in parts}
            source = dataclasses.replace(source, data=_without(source.data, parts))


def _part_of(path: KeyPath, *, whole: bool) -> KeyPath:
    """Return what to leave out for a mistake: an unknown key itself, else the named part around it; () is all."""
    depth = {"subscriber": 3, "offers": 2, "let": 2, "priors": 2, "policy": 2}
    return path if whole else path[: depth.get(str(path[0]), 0)] if path else ()


def _without(value: Any, parts: Collection[KeyPath], here: KeyPath = ()) -> Any:
    """Return plain data without the mapping entries at the given paths."""
    if not isinstance(value, dict):
        return value
    kept = {key: item for key, item in value.items() if (*here, key) not in parts}
    return {key: _without(item, parts, (*here, key)) for key, item in kept.items()}


def _with_lets(source: YamlSource, lets: Mapping[str, str]) -> YamlSource:
    """Put other texts under `let`, read as YAML would read them."""
    known = source.data.get("let") if isinstance(source.data, dict) else None
    known = known if isinstance(known, dict) else {}
    if unknown := lets.keys() - known.keys():
        raise LoadErrors(
            [
                LoadError(source.file, None, f"no `{name}` under `let` to set", name, near_miss(name, known))
                for name in unknown
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
            for theirs, ours in (("a valid string", "text"), ("a valid integer", "a whole number"), ("valid ", "")):
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
    inner = next(part for part in reversed(get_args(annotation)) if part is not Ellipsis)
    return _model_in(inner)[0], get_origin(annotation) in (dict, tuple)
