"""A run as a Flex Template of Dataflow: what its launcher may be given, made from the settings, and what it becomes."""

from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, get_origin, get_type_hints

from pipelines.flag_values import directory, instant, pair, share
from pipelines.settings import Limit, RunSettings
from schemas.durations import PATTERN, parse_duration

ENGINE = ("--engine", "dataflow")

OURS = frozenset({"runner", "engine", "beam_options"})
"""Settings that the launcher decides."""

_REGEXES: dict[Any, str] = {
    pair: r"[^=\s]+=\S+",
    directory: r"\S+",
    share: r"[0-9.]+%?",
    Limit: r"[0-9.]+%?",
    parse_duration: PATTERN.strip("^$"),
    instant: r"[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+",
    int: r"[0-9]+",
}
"""What the console checks before it launches; the run checks all."""


def metadata() -> dict[str, Any]:
    """Return the template's metadata: one parameter a setting; one that takes many values takes words."""
    hints = get_type_hints(RunSettings)
    return {
        "name": "Segment of One",
        "description": "From the raw signals of customers to the right offer at the right time, or none.",
        "streaming": True,
        "supportsAtLeastOnce": False,
        "supportsExactlyOnce": True,
        "parameters": [_parameter(field, hints[field.name]) for field in _given()],
    }


def arguments(given: Sequence[str]) -> list[str]:
    """Return what follows `segone run` for what Dataflow's launcher gives: `--name=value` of parameters and of Beam.

    Raises:
        ValueError: what is given is no option with a value.
    """
    known = {_name(field): field for field in _given()}
    hints = get_type_hints(RunSettings)
    plain, options, beam = [], [*ENGINE], []
    for text in given:
        name, equals, value = text.removeprefix("--").partition("=")
        if not text.startswith("--"):
            raise ValueError(f"`{text}` is no option: give parameters as --name=value")
        if name == "runner":
            continue
        if name not in known:
            beam.append(text)
            continue
        if not equals:
            raise ValueError(f"`{text}` has no value: give it as --{name}=value")
        field = known[name]
        flag = field.metadata["flag"]
        if not flag.startswith("--"):
            plain.append(value)
        elif hints[field.name] is bool:
            options += [flag] if value == "true" else []
        else:
            words = value.split() if get_origin(hints[field.name]) is tuple else [value]
            options += [part for word in words for part in (flag, word)]
    return [*plain, *options, *(["--", *beam] if beam else [])]


def _given() -> list[Field[Any]]:
    return [field for field in fields(RunSettings) if field.name not in OURS]


def _name(field: Field[Any]) -> str:
    """Return the name of a setting's parameter: its flag, as an identifier."""
    return str(field.metadata["flag"]).removeprefix("--").replace("-", "_")


def _parameter(field: Field[Any], hint: Any) -> dict[str, Any]:
    about, many = field.metadata, get_origin(hint) is tuple
    words = " Several are parted by blanks." if many else ""
    made: dict[str, Any] = {
        "name": _name(field),
        "label": f"{about['flag']} {about['metavar'] or ''}".rstrip(),
        "helpText": about["help"] + words,
        "isOptional": field.default is not MISSING,
        "paramType": "TEXT",
    }
    one = _REGEXES.get(about["parse"] or hint)
    if hint is bool:
        one = "true|false"
    if one is not None:
        made["regexes"] = [rf"({one})(\s+({one}))*" if many else one]
    return made
