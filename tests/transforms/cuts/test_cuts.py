"""Runs that start from a cut tell what the run that was cut tells after it, whatever it is about."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from pipelines.stories.reading import read_story
from pipelines.stories.signals import salted
from pipelines.stories.story import Arrival, Story, Watermark
from tests import stories
from tests.transforms.cuts.flow import Block, Element, Flow, Made
from transforms.shell.packed_batch import PackedBatch
from transforms.shell.timers import STAGES, Cuts

LAST = len(STAGES) - 1
STORIES = [read_story(path) for path in sorted(Path(stories.__file__).parent.glob("*.yaml"))]
ABOUT = (
    *("feed", "erase", "changes", "silen", "abandoned", "mover", "pause", "explores", "cap", "waits", "late", "fades"),
    *("household", "company", "horizon", "own_channels", "idle", "again", "superseded"),
)
"""Words of the names of stories that keep something of their own."""

MINE = [one for one in STORIES if "stream" in one.engines and any(word in one.name for word in ABOUT)]


def on_streams(stories: list[Story]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("story", stories, ids=lambda one: one.name)


@dataclass(frozen=True)
class Arrived:
    """A block that came after a watermark was told."""

    block: Block
    told: int


def events_of(story: Story, flow: Flow) -> list[Arrived | int]:
    """Return blocks and watermarks, in their order."""
    told, found = 0, list[Arrived | int]()
    for event in story.events:
        if isinstance(event, Arrival):
            block = flow.block(event.signals)
            found += [] if block is None else [Arrived(block, told)]
        elif isinstance(event, Watermark):
            told = event.time
            found.append(told)
    return found


def play(flow: Flow, events: list[Arrived | int], told: int = 0) -> Flow:
    """Let events happen."""
    for event in events:
        if isinstance(event, int):
            told = max(told, event)
            flow.advance(told)
        else:
            flow.come(event.block.elements, max(event.block.earliest, told))
    return flow


def from_cut(flow: Flow, whole: Flow, events: list[Arrived | int], cut: int) -> Flow:
    """Start a run from a cut of another; what is read again may come before the seeds, and for a second time."""
    newest = {}
    for stage, key, tick, content in sorted(whole.blobs, key=lambda one: one[2]):
        if tick <= cut:
            newest[stage, key] = content
    seeds = [_seed(flow, stage, key, PackedBatch.seed(cut, content)) for (stage, key), content in newest.items()]
    tick = flow.story.playbook.tick
    covered = [one for one in events if isinstance(one, Arrived) and one.block.cover(one.told, tick) <= cut]
    covered = [one for one in covered if one.block.earliest > cut + tick - flow.story.playbook.dedup_horizon]
    again = flow.random.choices([0, 1, len(covered)], [2, 1, 2])[0]
    overlap = [id(one) for one in covered[len(covered) - again :]]
    rest = [
        one
        for one in events
        if (one > cut if isinstance(one, int) else id(one) in overlap or one.block.cover(one.told, tick) > cut)
    ]
    first = next((n for n, one in enumerate(rest) if isinstance(one, int)), len(rest))
    before = flow.random.randint(0, first)
    play(flow, rest[:before])
    flow.random.shuffle(seeds)
    flow.come(seeds, -(2**40))
    return play(flow, rest[before:])


def _seed(flow: Flow, stage: str, key: str, seed: PackedBatch) -> Element:
    if stage == "watch_feeds":
        ((feed, content),) = flow.hear.process((0, seed))
        return stage, feed, content
    return stage, int(key), seed


def rows(made: list[Made]) -> Counter[tuple[str, str]]:
    """Return what was told: of what comes for a second time, it may be told that it is too late."""
    found = Counter[tuple[str, str]]()
    for one in made:
        found[one.output, one.row] += one.n if one.output != "rejected" else 0
    return +found


@on_streams(MINE)
def test_a_run_from_a_cut_goes_on_as_the_run_that_was_cut(story: Story) -> None:
    random = Random(story.name)
    tick, shards = story.playbook.tick, random.choice([1, 3])
    cuts = Cuts(tick, tick * random.choice([1, 2, 7, 60]))
    with salted():
        flow = lambda: Flow(story, shards, cuts, random)  # noqa: E731
        whole = flow()
        events = events_of(story, whole)
        play(whole, events)
        ticks = sorted({one[2] for one in whole.blobs})
        for cut in random.sample(ticks, min(2, len(ticks))):
            again = from_cut(flow(), whole, events, cut)
            assert rows(again.made) == rows([one for one in whole.made if one.stamp > cut + LAST])


@on_streams(MINE[::4])
def test_cuts_change_nothing(story: Story) -> None:
    tick, random = story.playbook.tick, Random(story.name)
    with salted():
        whole, cut = (Flow(story, 2, cuts, random) for cuts in (None, Cuts(tick, 2 * tick)))
        events = events_of(story, whole)
        assert rows(play(whole, events).made) == rows(play(cut, events).made)
