"""When the stages of a stream wake in a story: only then does it matter where the watermark stands."""

from collections.abc import Sequence

import pyarrow as pa

from pipelines.stories.core import Levels, told_by, watch
from pipelines.stories.signals import batches, of_group, of_subscriber
from pipelines.stories.story import Arrival, Signal, Story, Watermark
from schemas.playbook_levels import GROUPS
from transforms.context.plan.features import SUBSCRIBER
from transforms.versions import load_contexts


def wakes(story: Story) -> list[int]:
    """Return the ticks, ascending and different, found by waking the kernels as the shells of a stream do."""
    stages, ticks = _Stages(story), set[int]()
    for event in story.events:
        if isinstance(event, Arrival):
            stages.hold(event.signals)
        elif isinstance(event, Watermark):
            while (tick := stages.wake) is not None and tick <= event.time:
                stages.advance(tick)
                ticks.add(tick)
    return sorted(ticks)


class _Stages:
    """What wakes on its own; decisions wake with what these tell them."""

    def __init__(self, story: Story) -> None:
        self._versions, plans = story.versions, load_contexts(story.versions)
        self._feeds = watch(story.playbook)
        self._subscribers, self._groups = (Levels(plans, of) for of in ((SUBSCRIBER,), GROUPS))

    def hold(self, signals: Sequence[Signal]) -> None:
        given = batches(self._versions, signals)
        self._feeds.hear(given)
        self._share(given)

    def _share(self, given: Sequence[pa.RecordBatch]) -> None:
        self._subscribers.hold([one for one in given if of_subscriber(one)])
        self._groups.hold([one for one in given if of_group(one)])

    @property
    def wake(self) -> int | None:
        ticks = (one.wake for one in (self._feeds, self._subscribers, self._groups))
        return min((tick for tick in ticks if tick is not None), default=None)

    def advance(self, tick: int) -> None:
        """Advance those that have something to do at the next tick."""
        if self._feeds.wake == tick:
            self._share([*self._feeds.turns(tick)])
        if self._subscribers.wake == tick:
            self._groups.hold(told_by(self._subscribers.advance(tick)))
        if self._groups.wake == tick:
            self._groups.advance(tick)
