"""Stories cut finer: what the kernels keep from one call to the next is then asked for again and again."""

from collections.abc import Iterator
from dataclasses import replace

from pipelines.stories.story import Arrival, Expect, Story, Watermark
from pipelines.stories.wakes import awake
from tests.cases import TIMES

MOST = 24


def cut(story: Story) -> Story:
    """Return a story whose watermark stops at every tick: each is a call of the kernels.

    One with more than `MOST` ticks stops around those at which something can happen, at some of these if they are many.
    """
    tick = story.playbook.tick
    first = min(signal.time for signal in story.signals) // tick * tick
    stops = range(first, story.until, tick)
    if len(stops) > MOST:
        near = sorted({time + near for time in awake(story).ticks for near in (-tick, 0, tick)})
        stops = near if TIMES > 1 else near[:: -(-len(near) // MOST) or 1]
    return replace(story, events=tuple(_cut(story, stops)))


def _cut(story: Story, stops: range | list[int]) -> Iterator[Arrival | Watermark | Expect]:
    now = -1
    for event in story.events:
        if isinstance(event, Watermark):
            yield from (Watermark(time) for time in stops if now < time < event.time)
            now = event.time
        yield event
