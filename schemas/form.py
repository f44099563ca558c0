"""What is wrong with the form of a file that people write: pydantic finds it, and here are the words for it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.errors import LoadError
from schemas.fields import FORMS
from schemas.mistake import Mistake
from schemas.near_miss import near_miss
from schemas.yaml_source import KeyPath, YamlSource

UNKNOWN_KEY = "unknown key"
COMMA = "put an expression that has a comma in quotes"
OTHER = "something else"
"""What is told of a kind of mistake that has no words here."""

_MAPPING = "a mapping, as `{key: value}`"
_KINDS = {
    "bool_type": "true or false",
    "dict_type": _MAPPING,
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": _MAPPING,
    "string_type": "text",
    "string_unicode": "text of whole characters",
    "tuple_type": "a list",
}
_LIMITS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("greater than or equal to", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("less than or equal to", "le"),
}


def mistakes_of_form(error: ValidationError, model: type[BaseModel]) -> Iterator[Mistake]:
    """Yield what is wrong and what to do, without what only follows from another mistake.

    Args:
        error: What pydantic found.
        model: What the data should have been.
    """
    details = error.errors()
    paths = {detail["loc"] for detail in details}
    cut_off = {(*detail["loc"], "[key]") for detail in details if detail["input"] is None}
    for detail in details:
        path = detail["loc"]
        if not any(other[: len(path)] == path and other != path for other in paths):
            mistake = _mistake(detail, model)
            yield replace(mistake, hint=COMMA) if path in cut_off else mistake


def told(source: YamlSource, mistake: Mistake, within: KeyPath = ()) -> LoadError:
    """Return a mistake with its line, and its path from the key `within` which its model is."""
    path = (*within, *mistake.path)
    where = ".".join(map(str, path))
    return source.error(path, f"`{where}`: {mistake.message}" if where else mistake.message, hint=mistake.hint)


def _mistake(detail: ErrorDetails, model: type[BaseModel]) -> Mistake:
    path = tuple(key for key in detail["loc"] if key != "[key]")
    found, last, kind, about = detail["input"], str(path[-1]) if path else "", detail["type"], detail.get("ctx", {})
    hint = ""
    match kind:
        case "missing" if isinstance(path[-1], str):
            path, message = path[:-1], f"`{last}` is missing"
        case "extra_forbidden":
            message, hint = UNKNOWN_KEY, hint_for_key(last, found, _keys_at(model, path[:-1]))
        case "value_error":
            message = str(about["error"])
        case "literal_error":
            message = f"must be {about['expected']}, not {_shown(found)}"
        case "missing" | "too_short" | "too_long":
            message, hint = _of_length(kind, about)
        case "string_too_short" | "string_too_long" | "string_pattern_mismatch":
            message, hint = _of_text(found, kind, about)
        case _ if kind in _LIMITS:
            words, limit = _LIMITS[kind]
            message = f"must be {words} {about[limit]:g}, not {_shown(found)}"
        case _:
            message, hint = f"must be {_KINDS.get(kind, OTHER)}, not {_shown(found)}", _hint_for(kind, found)
    return Mistake(path, message, hint)


def _of_length(kind: str, about: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is wrong with a list or a mapping, and what to do."""
    if kind == "too_long":
        return "has too many items", f"write at most {about['max_length']}"
    return "has too few items", f"write at least {about['min_length']}" if about else "write one more"


def _of_text(found: str, kind: str, about: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is wrong with a text of another form than it must have, and what to do."""
    if kind == "string_too_short":
        return "is empty", "write a text in its place"
    if kind == "string_too_long":
        most = f"{about['max_length']:,}"
        return f"has {len(found):,} characters, of at most {most}", "shorten it; in a playbook name parts under `let`"
    what, hint = FORMS[about["pattern"]]
    return f"{_shown(found)} is not {what}", hint


def _hint_for(kind: str, found: Any) -> str:
    """Return what to do about a value of another kind than it must be."""
    if kind == "string_type" and isinstance(found, bool | int | float):
        return f"put it in quotes: '{found}'"
    if kind in ("bool_type", "int_type", "float_type") and isinstance(found, str):
        return "write it without quotes"
    if kind in ("dict_type", "model_type") and found is None:
        return "write `{}` where there is nothing to say"
    return ""


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "empty"
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else f"`{value}`"


def hint_for_key(key: str, value: Any, known: Iterable[str]) -> str:
    """Return what to do about a key that is not known; one without a value may be what follows a comma."""
    return COMMA if value is None else near_miss(key, known)


def _keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Return the keys that the model at `path` within another has."""
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
    if get_origin(annotation) is Annotated:
        return _model_in(get_args(annotation)[0])
    inner = next(part for part in reversed(get_args(annotation)) if part not in (Ellipsis, NoneType))
    return _model_in(inner)[0], get_origin(annotation) in (dict, list, tuple)
