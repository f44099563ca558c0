"""Runs that start from a cut tell what the run that was cut tells after it, whatever it is about."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

import pytest

from pipelines.stories.reading import read_story
from pipelines.stories.signals import salted
from pipelines.stories.story import Arrival, Story, Watermark
from tests import stories
from tests.cases import by_turns
from tests.transforms.cuts.flow import HEARD, Block, Element, Flow, Made
from transforms.shell.cuts import Kept
from transforms.shell.packed_batch import PackedBatch
from transforms.shell.resharding import SHARDED, as_of_cut, sources_of
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


def from_cut(flow: Flow, kept: Mapping[tuple[str, str], bytes], events: list[Arrived | int], cut: int) -> Flow:
    """Start a run from what was kept at a cut; what is read again may come before the seeds, and for a second time."""
    seeds = [_seed(flow, stage, key, PackedBatch.seed(cut, content)) for (stage, key), content in kept.items()]
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


def kept_at(flow: Flow, shards: int, cut: int, *, anew: bool = False) -> dict[tuple[str, str], bytes]:
    """Return what stages kept at a cut, for a number of shards; `anew`: as of its tick, although that is the same."""
    newest = {}
    for stage, key, tick, content in sorted(flow.blobs, key=lambda one: one[2]):
        if tick <= cut:
            newest[stage, key] = content
    if flow.shards == shards and not anew:
        return newest
    made = {one: content for one, content in newest.items() if one[0] not in SHARDED}
    kinds = [*flow.story.playbook.levels]
    for stage, shard in product(SHARDED, range(shards)):
        mine = {str(one) for one in sources_of(shard, shards, flow.shards)}
        kept = {key: Kept.read(content) for (of, key), content in newest.items() if of == stage}
        some = [one for key, one in kept.items() if key in mine] or ([] if anew else [*kept.values()])
        start = as_of_cut(stage, kinds, some, shard, shards, cut)
        if start is not None:
            made[stage, str(shard)] = start.packed()
    return made


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
    return Counter({told: 1 if told[0] == HEARD else n for told, n in found.items() if n})


@pytest.mark.cases
@on_streams(by_turns(MINE, 0))
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
            again = from_cut(flow(), kept_at(whole, whole.shards, cut), events, cut)
            assert rows(again.made) == rows([one for one in whole.made if one.stamp > cut + LAST])


@pytest.mark.cases
@on_streams(by_turns(MINE, 1))
def test_a_run_with_other_shards_goes_on_alike(story: Story) -> None:
    random = Random(story.name)
    before, after = random.choice([(1, 3), (3, 1), (2, 3), (4, 6), (4, 2), (2, 4)])
    tick = story.playbook.tick
    cuts = Cuts(tick, tick * random.choice([1, 2, 7, 60]))
    with salted():
        whole, other = Flow(story, before, cuts, random), Flow(story, after, cuts, random)
        play(whole, events_of(story, whole))
        ticks = sorted({one[2] for one in whole.blobs})
        for cut in random.sample(ticks, min(1, len(ticks))):
            again = from_cut(other, kept_at(whole, after, cut), events_of(story, other), cut)
            assert rows(again.made) == rows([one for one in whole.made if one.stamp > cut + LAST])


@on_streams(MINE[::4])
def test_cuts_change_nothing(story: Story) -> None:
    tick, random = story.playbook.tick, Random(story.name)
    with salted():
        whole, cut = (Flow(story, 2, cuts, random) for cuts in (None, Cuts(tick, 2 * tick)))
        events = events_of(story, whole)
        assert rows(play(whole, events).made) == rows(play(cut, events).made)
