"""Every story on the core and on one runner of Beam, by turns; `make test-cases` plays it on every engine it names."""

from pathlib import Path

import pytest

from pipelines.stories.engines import engine
from pipelines.stories.reading import read_story
from pipelines.stories.story import Story
from pipelines.stories.told import Play, differences
from tests.cases import TIMES
from tests.stories.cuts import cut
from tests.stories.player import play_reference

STORIES = [read_story(path) for path in sorted(Path(__file__).parent.glob("*.yaml"))]
RUNNERS = ("bounded", "stream")


def _played_on(number: int, story: Story) -> set[str]:
    """Return the engines of a story, of the runners of Beam one by turns unless all is played."""
    both = TIMES <= 1 and {*RUNNERS} <= {*story.engines}
    return {*story.engines} - ({RUNNERS[number % 2]} if both else set())


PLAYED_ON = [_played_on(number, story) for number, story in enumerate(STORIES)]


def tells(play: Play, story: Story) -> None:
    for told, expects in play(story):
        assert differences(told, expects) == []


def on(name: str, *, groups: bool = True) -> pytest.MarkDecorator:
    played = zip(STORIES, PLAYED_ON, strict=True)
    mine = [story for story, names in played if name in names and (groups or len(story.playbook.levels) == 1)]
    return pytest.mark.parametrize("story", mine, ids=lambda story: story.name)


@on("core", groups=False)
def test_reference_tells_the_story(story: Story) -> None:
    tells(play_reference, story)


@on("core")
def test_core_tells_the_story(story: Story) -> None:
    tells(engine("core"), story)


@pytest.mark.cases
@on("core")
def test_core_tells_the_story_tick_by_tick(story: Story) -> None:
    tells(engine("core"), cut(story))


@pytest.mark.cases
@on("bounded")
def test_bounded_run_tells_the_story(story: Story) -> None:
    tells(engine("bounded"), story)


@pytest.mark.cases
@on("stream")
def test_stream_tells_the_story(story: Story) -> None:
    tells(engine("stream"), story)
