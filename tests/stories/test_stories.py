"""Every story on every engine that it names."""

from pathlib import Path

import pytest

from tests.stories.beam_engines import play_bounded, play_stream
from tests.stories.player import ENGINES, play
from tests.stories.story import Story, stories

STORIES = stories()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_reference_tells_the_story(story: Story) -> None:
    for told, expected in play(story, ENGINES["reference"](story)):
        known = {key: expected[key] for key in expected if key in ("transitions", "counts")}
        assert told.of(known) == known


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_core_tells_the_story(story: Story) -> None:
    for told, expected in play(story, ENGINES["core"](story)):
        assert told.of(expected) == expected


@pytest.mark.parametrize("story", [one for one in STORIES if "bounded" in one.engines], ids=lambda story: story.name)
def test_bounded_run_tells_the_story(story: Story, tmp_path: Path) -> None:
    assert play_bounded(story, tmp_path).of(story.expected) == story.expected


@pytest.mark.parametrize("story", [one for one in STORIES if "stream" in one.engines], ids=lambda story: story.name)
def test_stream_tells_the_story(story: Story) -> None:
    expected = {key: told for key, told in story.expected.items() if key != "counts"}
    assert play_stream(story).of(expected) == expected
