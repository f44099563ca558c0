"""When a stream of a story wakes: as often as something happens, however long it lasts."""

import pytest

from pipelines.stories.reading import read_story
from pipelines.stories.story import Story
from pipelines.stories.wakes import awake
from tests.examples.commands import REPOSITORY
from tests.pipelines.stories.conftest import WriteStory

MINUTE = 60_000


def minutes(story: Story) -> list[int]:
    """Return the minutes of the story's day at which it wakes."""
    return [tick // MINUTE % 1_440 for tick in awake(story).ticks]


def test_a_stream_wakes_where_signals_come_and_go(write_story: WriteStory) -> None:
    assert minutes(read_story(write_story())) == [601, 602]


def test_what_comes_late_wakes_once_more(write_story: WriteStory) -> None:
    late = "      - {usage: ben, at: 10:00:20, mb: 99}\n  - watermark: 10:30\n  - signals:\n"
    late += "      - {usage: ben, at: 10:00:30, mb: 99}\n"
    story = read_story(write_story("      - {usage: ben, at: 10:00:20, mb: 99}\n", late))
    assert minutes(story) == [601, 602, 603]


@pytest.mark.parametrize(("name", "turn"), [("a_dead_feed", 641), ("a_feed_that_stays_dead", 621)])
def test_feeds_wake_where_they_go_down(name: str, turn: int) -> None:
    story = read_story(REPOSITORY / "tests" / "stories" / f"{name}.yaml")
    assert turn in minutes(story)


def test_weeks_cost_what_happens_in_them() -> None:
    story = read_story(REPOSITORY / "examples" / "fibre_town" / "stories" / "on_the_way_out.yaml")
    assert (story.until - story.signals[0].time) // MINUTE > 24_000
    assert len(awake(story).ticks) < 100
