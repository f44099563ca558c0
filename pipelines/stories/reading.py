"""Story files: found, read and checked, every mistake with its line."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.stories.events import read_events
from pipelines.stories.form import StoryForm, checked
from pipelines.stories.story import ENGINES, Story
from pipelines.stories.times import HINT, parse_time
from schemas.errors import LoadError, LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_file import check_playbook, load_playbook
from schemas.versions import Versions
from schemas.yaml_source import YamlSource, read_yaml
from transforms.shell.versions import contracts_of, load_all_offers


def find_stories(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the stories in a folder, by name, and its other YAML files: those that have no `events`.

    A file that cannot be read may be a story.

    Raises:
        LoadErrors: there is none.
    """
    files = sorted(file for file in path.glob("*.y*ml") if file.is_file()) if path.is_dir() else [path]
    stories = [file for file in files if _is_story(file)]
    if not stories:
        hint = "a story is a file `*.yaml` with `playbook` and `events`"
        raise LoadErrors([LoadError(str(path), None, "holds no story", hint=hint)])
    return stories, [file for file in files if file not in stories]


def _is_story(file: Path) -> bool:
    try:
        data = read_yaml(file).data
    except LoadErrors:
        return True
    return isinstance(data, dict) and "events" in data


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
    events = read_events(source, form, contracts_of(versions), versions.first)
    engines = tuple(name for name in ENGINES if name in form.engines)
    return Story(path.stem, source, versions, inline, engines, events, form.day, _decide_from(source, form))


def _decide_from(source: YamlSource, form: StoryForm) -> int | None:
    """Return since when triggers are answered, ms of the epoch; None for ever."""
    if form.decide_from is None:
        return None
    try:
        return parse_time(form.decide_from, form.day)
    except ValueError as error:
        raise LoadErrors([source.error(("decide_from",), f"`decide_from`: {error}", hint=HINT)]) from error


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
