"""Plays the stories of a folder and tells which of them are true of their playbooks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.stories.engines import engine
from pipelines.stories.reading import find_stories, read_story
from pipelines.stories.story import Story
from pipelines.stories.told import differences
from schemas.errors import LoadError, LoadErrors
from schemas.visible import visible


@dataclass(frozen=True)
class Played:
    """How the stories of a folder went.

    Attributes:
        results: Story, engine, and what was different, a line of text each; nothing if it passed.
        skipped: YAML files that are no stories, and why stories did not play.
    """

    results: tuple[tuple[str, str, tuple[str, ...]], ...]
    skipped: tuple[str, ...]

    @property
    def failed(self) -> int:
        """How many of the results differ."""
        return sum(bool(wrong) for _, _, wrong in self.results)

    def text(self) -> str:
        """Return a line each, and below those that failed what was different, with file and line."""
        lines = [line for result in self.results for line in _lines(*result)]
        passed = len(self.results) - self.failed
        return "\n".join([*map(visible, [*lines, *self.skipped]), f"{passed} passed, {self.failed} failed"]) + "\n"


def play_all(path: Path, engines: Sequence[str] = ("core",), tell: Callable[[str], None] = lambda what: None) -> Played:
    """Play the stories of a folder, or one story, on each of the engines.

    Args:
        path: The folder or file.
        engines: Of `ENGINES`; a story that leaves one out does not play on it.
        tell: Called with what is being done.

    Raises:
        LoadErrors: no stories, and every mistake in them or their playbooks; then none is played.
    """
    files, others = find_stories(path)
    skipped = [f"not a story: {file}" for file in others]
    results = []
    for story in _read(files):
        for name in engines:
            if name in story.engines:
                tell(f"{story.name} on {name}")
                results.append((story.name, name, tuple(_differences(story, name))))
            else:
                skipped.append(f"not for {name}: {story.source.file}")
    return Played(tuple(results), tuple(skipped))


def _read(files: Sequence[Path]) -> list[Story]:
    stories, errors = [], list[LoadError]()
    for file in files:
        try:
            stories.append(read_story(file))
        except LoadErrors as wrong:
            errors += wrong.errors
    if errors:
        raise LoadErrors(list(dict.fromkeys(errors)))
    return stories


def _differences(story: Story, name: str) -> Iterator[str]:
    for told, expects in engine(name)(story):
        for one in differences(told, expects):
            yield f"{story.source.file}:{story.source.line_of(one.path)}: {one.message}"


def _lines(story: str, name: str, wrong: Sequence[str]) -> list[str]:
    return [f"{'FAILED' if wrong else 'passed'}  {story} on {name}", *(f"  {line}" for line in wrong)]
