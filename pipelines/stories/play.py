"""Plays the stories of a folder and tells which of them are true of their playbooks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.failures import Failure
from pipelines.stories.engines import engine
from pipelines.stories.reading import find_stories, read_story
from pipelines.stories.story import Story
from pipelines.stories.told import differences
from schemas.errors import LoadErrors
from schemas.visible import visible

_REFUSED = (LoadErrors, Failure, OSError, ValueError, ArithmeticError)


@dataclass(frozen=True)
class Played:
    """How the stories of a folder went.

    Attributes:
        results: Story, engine (none, if the story cannot be read), and what is wrong, a line of text each; nothing if
            it passed.
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
        LoadErrors: no stories.
    """
    files, others = find_stories(path)
    skipped = [f"not a story: {file}" for file in others]
    results = []
    for file in files:
        try:
            story = read_story(file)
        except LoadErrors as wrong:
            results.append((file.stem, "", tuple(_told(wrong))))
            continue
        skipped += [f"not for {name}: {file}" for name in engines if name not in story.engines]
        for name in engines:
            if name in story.engines:
                tell(f"{story.name} on {name}")
                results.append((story.name, name, tuple(_differences(story, name))))
    return Played(tuple(results), tuple(skipped))


def _differences(story: Story, name: str) -> list[str]:
    """Return what is different, or why an engine does not play the story."""
    try:
        found = [one for told, expects in engine(name)(story) for one in differences(told, expects)]
    except _REFUSED as error:
        return [*_told(error)]
    return [f"{story.source.file}:{story.source.line_of(one.path)}: {one.message}" for one in found]


def _told(error: Exception) -> Iterator[str]:
    """Yield the lines of what is wrong with a story; a mistake of a program is named."""
    yield from (str(error) if isinstance(error, LoadErrors | Failure) else repr(error)).splitlines()


def _lines(story: str, name: str, wrong: Sequence[str]) -> list[str]:
    where = f" on {name}" if name else ""
    return [f"{'FAILED' if wrong else 'passed'}  {story}{where}", *(f"  {line}" for line in wrong)]
