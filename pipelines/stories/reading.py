"""Story files: found, read and checked, every mistake with its line."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.stories.form import Event, StoryForm, checked
from pipelines.stories.story import ENGINES, OUTPUTS, Arrival, Expect, Signal, Story, Watermark
from schemas.contracts import Contract, Field
from schemas.errors import LoadError, LoadErrors
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.playbook_file import check_playbook, load_playbook
from schemas.versions import Versions
from schemas.yaml_source import KeyPath, YamlSource, read_yaml
from transforms.versions import contracts_of, load_all_offers

_ENVELOPE = ("at", "id", "source", "subject_kind")
_FITS: dict[pa.DataType, tuple[type, ...]] = {
    pa.string(): (str,),
    pa.int64(): (int,),
    pa.float64(): (int, float),
    pa.bool_(): (bool,),
}


def find_stories(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the stories in a folder, by name, and its other YAML files: those that have no `events`.

    Raises:
        LoadErrors: there is no story, or a file that is not YAML.
    """
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    stories = [file for file in files if "events" in (read_yaml(file).data or ())]
    if not stories:
        hint = "a story is a file `*.yaml` with `playbook` and `events`"
        raise LoadErrors([LoadError(str(path), None, "holds no story", hint=hint)])
    return stories, [file for file in files if file not in stories]


def read_story(path: Path) -> Story:
    """Read a story from its file.

    Raises:
        LoadErrors: everything that is wrong with it, or with its playbook.
    """
    source = read_yaml(path)
    form = checked(source)
    inline = tuple(_inline(form))
    versions = _versions(source, inline) if inline else Versions((_beside(source, path, str(form.playbook)),))
    load_all_offers(versions)
    reader = _Events(source, form.day, contracts_of(versions))
    events = tuple(reader.event(event, number) for number, event in enumerate(form.events))
    if not any(isinstance(event, Watermark) for event in events):
        reader.wrong(("events",), "no `watermark` moves: nothing would be told")
    if reader.errors:
        raise LoadErrors(reader.errors)
    engines = tuple(name for name in ENGINES if name in form.engines)
    return Story(path.stem, source, versions, inline, engines, events, form.day)


def _beside(source: YamlSource, path: Path, name: str) -> Playbook:
    """Return the playbook of a story that names a file."""
    file = path.parent / name
    if not file.is_file():
        hint = "give the path of a playbook file, as it is seen from the story's folder"
        raise LoadErrors([source.error(("playbook",), f"`playbook`: there is no file {file}", hint=hint)])
    return load_playbook(file)


def _inline(form: StoryForm) -> Iterator[dict[str, Any]]:
    """Yield the data of each version of a playbook that stands in the story; times are of its day."""
    if isinstance(form.playbook, dict):
        said: dict[str, Any] = {"playbook": "story", **form.playbook}
        yield said
        for number, change in enumerate(form.then, 2):
            start = {"effective_from": f"{form.day}T{change['effective_from']}Z"} if "effective_from" in change else {}
            said = _changed(said, {"version": number, **change, **start})
            yield said


def _changed(said: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return data with some of it replaced, added, or (null) taken out."""
    found = dict(said)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(said.get(key), dict)
        found[key] = _changed(said[key], value) if both else value
    return {key: value for key, value in found.items() if value is not None}


def _versions(source: YamlSource, inline: Sequence[dict[str, Any]]) -> Versions:
    return Versions.of(check_playbook(source.part("playbook", data)) for data in inline)


class _Events:
    """Makes events of what is written, and notes what is wrong."""

    def __init__(self, source: YamlSource, day: str, known: Mapping[str, Contract]) -> None:
        self.errors: list[LoadError] = []
        self._source, self._day, self._known, self._numbered = source, day, known, count()

    def event(self, event: Event, number: int) -> Arrival | Watermark | Expect:
        """Return an event."""
        path: KeyPath = ("events", number)
        if event.signals is not None:
            written = enumerate(event.signals)
            return Arrival(tuple(one for n, each in written for one in self._signal(each, (*path, "signals", n))))
        if event.expect is None:
            return Watermark(self._time(event.watermark, (*path, "watermark")))
        told = {key: getattr(event.expect, key) for key in OUTPUTS}
        sentences = {key: tuple(lines) for key, lines in told.items() if lines is not None}
        return Expect((*path, "expect"), sentences, {str(name): number for name, number in event.expect.counts.items()})

    def wrong(self, path: KeyPath, message: str, hint: str = "") -> None:
        """Note a mistake."""
        self.errors.append(self._source.error(path, message, hint=hint))

    def _signal(self, written: Mapping[str, Any], path: KeyPath) -> Iterator[Signal]:
        """Yield a signal; without an `id` it has one of its own, without a `source` it is from the network."""
        name = next(iter(written), "")
        if name not in self._known:
            hint = near_miss(name, self._known)
            self.wrong(path, f"starts with `{name}`, which is no signal type that the playbook reads", hint)
            return
        contract = self._known[name]
        payload = {key: value for key, value in written.items() if key not in (name, *_ENVELOPE)}
        yield Signal(
            name,
            str(written.get("id", f"n{next(self._numbered)}")),
            str(written.get("source", "net")),
            self._time(written.get("at"), (*path, "at")),
            str(written.get("subject_kind", contract.subject_kind_default)),
            str(written[name]),
            {key: self._value(contract, key, value, (*path, key)) for key, value in payload.items()},
        )

    def _value(self, contract: Contract, name: str, value: Any, path: KeyPath) -> Any:
        """Return the value of a field; instants are written as times are."""
        if name not in contract.payload:
            self.wrong(path, f"{contract.name} has no field `{name}`", near_miss(name, contract.payload))
            return None
        field = contract.by_name[name]
        if field.instant and isinstance(value, str):
            return self._time(value, path)
        if not _fits(field, value):
            self.wrong(path, f"`{name}`: `{value}` is not {field.type}, as the contract of {contract.name} says")
        return value

    def _time(self, text: Any, path: KeyPath) -> int:
        """Return ms of the epoch of `10:00`, `10:00:20`, `10:00:20.001` or a date and one of these, in UTC."""
        try:
            whole = text if "-" in text else f"{self._day} {text}"
            return round(datetime.fromisoformat(f"{whole}+00:00").astimezone(UTC).timestamp() * 1000)
        except (TypeError, ValueError):
            self.wrong(path, f"`{text}` is no time, as `10:00`, `10:00:20` or `2026-01-06 10:00`")
            return 0


def _fits(field: Field, value: Any) -> bool:
    """Return whether a value is of a field's type."""
    truth = isinstance(value, bool)
    return value is None or (isinstance(value, _FITS[field.type]) and truth == (bool in _FITS[field.type]))
