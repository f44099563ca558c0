"""When the stages of a stream wake in a story: only then does it matter where the watermark stands."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines.stories.core import Levels, counts_of, told_by, watch
from pipelines.stories.signals import of_group, of_subscriber, take
from pipelines.stories.story import Arrival, Signal, Story, Watermark
from schemas.playbook_levels import GROUPS
from transforms.compiler.features import SUBSCRIBER
from transforms.context.advance_levels import AdvancedLevels
from transforms.shell.versions import load_contexts


@dataclass(frozen=True)
class Awake:
    """What waking the kernels as the shells of a stream do comes to.

    Attributes:
        ticks: At which they wake, ascending and different.
        counts: Of all signals, at the story's end. The runner of stories loses the metrics of the stream itself: its
            state sampler keeps counting into those of a step's first bundle.
    """

    ticks: tuple[int, ...]
    counts: Counter[str]


def awake(story: Story) -> Awake:
    """Wake the kernels through a story."""
    stages, ticks = _Stages(story), set[int]()
    for event in story.events:
        if isinstance(event, Arrival):
            stages.hold(event.signals)
        elif isinstance(event, Watermark):
            while (tick := stages.wake) is not None and tick <= event.time:
                stages.advance(tick)
                ticks.add(tick)
    return Awake(tuple(sorted(ticks)), stages.counts)


class _Stages:
    """What wakes on its own; decisions wake with what these tell them, and with what they are told of everybody."""

    def __init__(self, story: Story) -> None:
        self._story, plans = story, load_contexts(story.versions)
        self._feeds = watch(story.playbook)
        self._subscribers, self._groups = (Levels(plans, of) for of in ((SUBSCRIBER,), GROUPS))
        self._taken, self._refused, self._counts = 0, 0, Counter[str]()
        self._controls = set[int]()

    def hold(self, signals: Sequence[Signal]) -> None:
        taken = take(self._story, signals)
        self._taken += taken.signals + taken.everybody
        self._counts["applied"] += taken.everybody
        self._controls.update(tick for batch in taken.controls for tick in batch["tick"].to_pylist())
        self._refused += taken.rejected
        self._feeds.hear(taken.batches)
        self._share(taken.batches)

    def _share(self, given: Sequence[pa.RecordBatch]) -> None:
        self._subscribers.hold([one for one in given if of_subscriber(one)])
        self._groups.hold([one for one in given if of_group(one)])

    @property
    def wake(self) -> int | None:
        ticks = (one.wake for one in (self._feeds, self._subscribers, self._groups))
        return min((*(tick for tick in ticks if tick is not None), *self._controls), default=None)

    def advance(self, tick: int) -> None:
        """Advance those that have something to do at the next tick."""
        self._controls -= {one for one in self._controls if one <= tick}
        if self._feeds.wake == tick:
            self._share([*self._feeds.turns(tick)])
        if self._subscribers.wake == tick:
            self._groups.hold(told_by(self._advanced(self._subscribers, tick)))
        if self._groups.wake == tick:
            self._advanced(self._groups, tick)

    def _advanced(self, levels: Levels, tick: int) -> AdvancedLevels:
        advanced = levels.advance(tick)
        self._counts.update(counts_of(advanced))
        return advanced

    @property
    def counts(self) -> Counter[str]:
        """What became of signals; what nothing became of is pending."""
        ended = sum(self._counts[name] for name in ("applied", "duplicates", "rejected", "erased"))
        mine = Counter(rejected=self._counts["rejected"] + self._refused, pending=self._taken - ended)
        return Counter({**self._counts, **mine})
