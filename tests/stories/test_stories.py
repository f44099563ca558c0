"""Every story on every engine that it names."""

from pathlib import Path

import pytest

from pipelines.stories.engines import engine
from pipelines.stories.reading import read_story
from pipelines.stories.story import Story
from pipelines.stories.told import Play, differences
from tests.stories.cuts import cut
from tests.stories.player import play_reference

STORIES = [read_story(path) for path in sorted(Path(__file__).parent.glob("*.yaml"))]


def tells(play: Play, story: Story) -> None:
    for told, expects in play(story):
        assert differences(told, expects) == []


def on(name: str, *, groups: bool = True) -> pytest.MarkDecorator:
    mine = [story for story in STORIES if name in story.engines and (groups or len(story.playbook.levels) == 1)]
    return pytest.mark.parametrize("story", mine, ids=lambda story: story.name)


@on("core", groups=False)
def test_reference_tells_the_story(story: Story) -> None:
    tells(play_reference, story)


@on("core")
def test_core_tells_the_story(story: Story) -> None:
    tells(engine("core"), story)


@on("core")
def test_core_tells_the_story_tick_by_tick(story: Story) -> None:
    tells(engine("core"), cut(story))


@on("bounded")
def test_bounded_run_tells_the_story(story: Story) -> None:
    tells(engine("bounded"), story)


@on("stream")
def test_stream_tells_the_story(story: Story) -> None:
    tells(engine("stream"), story)
