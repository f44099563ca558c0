"""Every story on every engine that it names."""

import pytest

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
