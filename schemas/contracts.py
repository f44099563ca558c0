"""Avro contracts of the signals: what each type holds, and the Arrow schemas that follow from them."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.errors import LoadError, LoadErrors
from schemas.records import INSTANT

SIGNALS = (
    "usage",
    "balance",
    "membership",
    "profile",
    "household_event",
    "sme_event",
    "ticket",
    "order",
    "web",
    "news",
    "consent",
    "contact",
    "outcome",
    "control",
    "erasure",
)
"""The signal types that come with a contract."""

ENVELOPE = ("id", "source", "time", "subject_kind", "subject")
"""The fields every contract starts with."""

ARROW_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "long": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
}

OURS = frozenset(
    {"code", "completes", "late", "local_date", "local_hour", "local_weekday", "member", "own", "subscriber", "thread"}
    | {"root", "root_kind", "tick", "traceparent"}
)
"""Columns that stand beside a signal's on its way into contexts and to contact roots; local times are what expressions
read."""

MAX_BYTES = 256 * 1024
MAX_SCALE = 15
"""Decimals of a double beyond which it has no room for whole numbers."""

_FOLDER = Path(__file__).parent / "avro"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Field:
    """One field of a signal.

    Attributes:
        name: Lower snake case.
        type: Arrow string, int64, float64 or bool; instants are int64 milliseconds UTC.
        required: Whether a signal without it is rejected.
        scale: Decimals that measures of a double keep; 0 for other types.
        min: The smallest value, or None.
        max: The greatest value, or None.
        doc: What it means.
        instant: Whether the number is an instant, which text may give as RFC 3339 too.
        values: The only texts that are allowed; empty for any.
    """

    name: str
    type: pa.DataType
    required: bool
    scale: int
    min: float | None
    max: float | None
    doc: str
    instant: bool = False
    values: tuple[str, ...] = ()

    @property
    def text_type(self) -> pa.DataType:
        """What text that holds it is read as: the type, or an instant."""
        return INSTANT if self.instant else self.type


TRACE = Field("traceparent", pa.string(), False, 0, None, None, "W3C trace context of who made the signal")
"""What every signal may bear beside its contract; one that is none is left out, and is no reason to reject it."""


@dataclass(frozen=True)
class Contract:
    """What a signal of one type holds.

    Attributes:
        name: The signal type.
        fields: The envelope, then the payload, in the order of the file.
        subject_kind_default: The kind of a subject whose signal does not name it.
        version: Hash of what the file says.
    """

    name: str
    fields: tuple[Field, ...]
    subject_kind_default: str
    version: str = field(default="", compare=False)

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Return the fields by name."""
        return {field.name: field for field in self.fields}

    @property
    def payload(self) -> tuple[str, ...]:
        """Return the names of the fields after the envelope."""
        return tuple(field.name for field in self.fields[len(ENVELOPE) :])

    def arrow_schema(self) -> pa.Schema:
        """Return the Arrow schema of all fields; optional ones are nullable."""
        return pa.schema([pa.field(field.name, field.type, nullable=not field.required) for field in self.fields])


@cache
def contract(name: str) -> Contract:
    """Return the contract of a signal type that comes with the package.

    Raises:
        KeyError: `name` is not in `SIGNALS`.
    """
    if name not in SIGNALS:
        raise KeyError(name)
    path = _FOLDER / f"{name}.avsc"
    return parse_contract(path.read_bytes(), str(path))


def parse_contract(content: bytes, file: str) -> Contract:
    """Read a contract, ours or a playbook's own.

    Args:
        content: The file's.
        file: Its name, for errors.

    Raises:
        LoadErrors: it is not JSON, or is not a flat record that starts with the envelope.
    """
    try:
        schema = json.loads(content.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise LoadErrors([LoadError(file, error.lineno, f"is not valid JSON: {error.msg}")]) from error
    except (ValueError, RecursionError) as error:  # no UTF-8, a number of thousands of digits, nested too deeply
        raise LoadErrors([LoadError(file, None, "is not a JSON file in UTF-8 that we can read")]) from error
    if problems := _problems(schema):
        raise LoadErrors([LoadError(file, None, problem) for problem in problems])
    kind = next(each["default"] for each in schema["fields"] if each["name"] == "subject_kind")
    version = hashlib.blake2b(json.dumps(schema, sort_keys=True).encode(), digest_size=8).hexdigest()
    return Contract(schema["name"], tuple(map(_field, schema["fields"])), kind, version)


def breaking_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return why signals or playbooks written for the schema `old` would fail under `new`; empty if none would.

    Compatible are an optional field more, a wider range, more allowed values and another `doc`; all else is not.
    """
    before = {field["name"]: field for field in old["fields"]}
    after = {field["name"]: field for field in new["fields"]}
    changes = [f"{name}: removed" for name in before.keys() - after.keys()]
    changes += [f"{name}: new and required" for name in after.keys() - before.keys() if _field(after[name]).required]
    for name in before.keys() & after.keys():
        changes += [f"{name}: {change}" for change in _field_changes(before[name], after[name])]
    if old["name"] != new["name"]:
        changes.append(f"renamed from {old['name']} to {new['name']}")
    return sorted(changes)


def _field_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    before, after = _field(old), _field(new)
    changes = [f"{key} changed" for key in ("type", "scale") if getattr(before, key) != getattr(after, key)]
    if after.required and not before.required:
        changes.append("became required")
    if old.get("default") != new.get("default"):
        changes.append("default changed")
    if after.min is not None and (before.min is None or after.min > before.min):
        changes.append("smallest value raised")
    if after.max is not None and (before.max is None or after.max < before.max):
        changes.append("greatest value lowered")
    if after.values and not (before.values and {*before.values} <= {*after.values}):
        changes.append("fewer values allowed")
    return changes


def _field(field: dict[str, Any]) -> Field:
    kind, optional = _kind(field["type"])
    scale = field.get("scale", 6) if kind == "double" else 0
    return Field(
        name=field["name"],
        type=ARROW_TYPES[kind],
        required=not optional and field.get("default") is None,
        scale=scale,
        min=field.get("min"),
        max=field.get("max"),
        doc=field.get("doc", ""),
        instant=_is_instant(field["type"]),
        values=tuple(field.get("values", ())),
    )


def _kind(declared: Any) -> tuple[str, bool]:
    """Return the primitive name of an Avro type, and whether it is optional; the name is "" if it is none of ours."""
    if isinstance(declared, list):
        others = [kind for kind in declared if kind != "null"]
        fits = declared[:1] == ["null"] and len(declared) == 2 and others and not isinstance(others[0], list)
        return (_kind(others[0])[0] if fits else "", True)
    if isinstance(declared, dict):
        instant = declared.get("type") == "long" and declared.get("logicalType") == "timestamp-millis"
        return ("long" if instant else ""), False
    return (declared if isinstance(declared, str) and declared in ARROW_TYPES else ""), False


def _is_instant(declared: Any) -> bool:
    """Return whether a type that is one of ours is an instant: the only one that is spelt as an object."""
    return any(isinstance(kind, dict) for kind in (declared if isinstance(declared, list) else [declared]))


def _problems(schema: Any) -> list[str]:
    """Return what keeps a parsed .avsc from being a contract."""
    if not isinstance(schema, dict) or schema.get("type") != "record" or not isinstance(schema.get("fields"), list):
        return ["is not an Avro record"]
    fields = schema["fields"]
    if not all(isinstance(field, dict) and isinstance(field.get("name"), str) and "type" in field for field in fields):
        return ["has a field without a name or type"]
    names = [field["name"] for field in fields]
    problems = (
        [] if tuple(names[: len(ENVELOPE)]) == ENVELOPE else [f"must start with the fields {', '.join(ENVELOPE)}"]
    )
    problems += [f"field `{name}` is there twice" for name, n in sorted(Counter(names).items()) if n > 1]
    if not isinstance(schema.get("name"), str):
        problems.append("has no name")
    for name in sorted({*names} & OURS):
        problems.append(f"field `{name}` is called as a column of ours: give it another name")
    for name in filter(lambda name: not _NAME.fullmatch(name), [str(schema.get("name")), *names]):
        problems.append(f"`{name}` must be lower case letters, digits and `_`")
    for each in fields:
        problems += _field_problems(each)
    return problems


def _field_problems(each: dict[str, Any]) -> list[str]:
    name = each["name"]
    kind, optional = _kind(each["type"])
    if not kind:
        allowed = ", ".join(ARROW_TYPES)
        return [f'field `{name}`: the type must be one of {allowed}, or ["null", one of them]']
    expected = {"time": "long"}.get(name, "string")
    if name in ENVELOPE and (optional or kind != expected):
        return [f"field `{name}` must be a required {expected}"]
    if name == "subject_kind" and each.get("default") not in ("subscriber", "household", "sme"):
        return ["field `subject_kind` needs a default: subscriber, household or sme"]
    return [f"field `{name}`: {told}" for told in _limit_problems(each, kind)]


def _limit_problems(each: dict[str, Any], kind: str) -> Iterator[str]:
    """Yield what is wrong with what a field says beyond its type."""
    if not all(_is_bound(each[key]) for key in ("min", "max") if key in each):
        yield "min and max must be numbers of at most 64 bits"
    scale, least = each.get("scale", 1), 1 if kind == "double" else 0
    if scale not in range(least, MAX_SCALE + 1) or isinstance(scale, bool | float):
        yield f"scale must be a whole number from {least} to {MAX_SCALE}; whole numbers are a long"
    if ("values" in each and kind != "string") or not _are_texts(each.get("values", [""])):
        yield "values must be a list of texts, of a string"


def _is_bound(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and -(2**63) <= number < 2**63


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(value, str) for value in values)
