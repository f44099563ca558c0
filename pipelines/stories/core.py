"""Stories on the pure core: the kernels of contexts and of decisions, called once a watermark."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipelines.stories.signals import SALT, of_group, of_subscriber, take
from pipelines.stories.story import Arrival, Expect, Signal, Story, Watermark
from pipelines.stories.told import Told
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS
from transforms.compiler.features import SUBSCRIBER
from transforms.context.advance_levels import AdvancedLevels
from transforms.context.erasure.receipts import receipts
from transforms.context.grid import Grid
from transforms.context.ingest.source_liveness import Watch
from transforms.context.run import Options
from transforms.decision.ledgers import Ledgers
from transforms.decision.notices import is_notice
from transforms.decision.offers import offers_of
from transforms.shell.versions import ContextPlans, load_all_offers, load_contexts


def play_core(story: Story) -> Iterator[tuple[Told, Sequence[Expect]]]:
    """Play a story; what each `expect` speaks of comes as soon as it is reached."""
    core, told, arrived = _Core(story), Told(), list[Signal]()
    for event in story.events:
        if isinstance(event, Arrival):
            arrived += event.signals
        elif isinstance(event, Watermark):
            core.advance(arrived, event.time, told)
            arrived = []
        else:
            told.counts = core.counts
            yield told, (event,)
            told = Told()


class _Core:
    """The kernels with their state; `counts` are those of all signals so far."""

    def __init__(self, story: Story) -> None:
        self.story, self.counts = story, Counter[str]()
        self.offers = load_all_offers(story.versions, decide_from=story.decide_from)
        self.subscribers, self.groups = (Levels(load_contexts(story.versions), of) for of in ((SUBSCRIBER,), GROUPS))
        self.feeds = watch(story.playbook)
        self.ledgers = Ledgers.load(None)
        self.controls: list[pa.RecordBatch] = []
        self.closed: int | None = None

    def advance(self, signals: Sequence[Signal], time: int, told: Told) -> None:
        """Advance to the last tick that a watermark closes, if it closes one, and add what comes of it."""
        upto = time // self.story.playbook.tick * self.story.playbook.tick
        self._hold(signals)
        if self.closed is not None and upto <= self.closed:
            return
        self.closed = upto
        self._share([*self.feeds.turns(upto)])
        subscribers = self.subscribers.advance(upto)
        self.groups.hold(told_by(subscribers))
        groups = self.groups.advance(upto)
        every, erased = [*subscribers.every, *groups.every], [*subscribers.erased, *groups.erased]
        transitions = [one.outputs.transitions for one in every] + [
            table for one in erased for table in one.transitions
        ]
        for table in transitions:
            self._tell(told, "transitions", table)
        self.counts.update(counts_of(subscribers) + counts_of(groups))
        self.counts["pending"] = subscribers.pending + groups.pending
        addressed = [batch for one in every for batch in (one.outputs.triggers, *one.facts)]
        addressed += [batch for one in erased for batch in (*one.everywhere, *one.facts)]
        addressed, self.controls = [*addressed, *self.controls], []
        removed = {"track_subscribers": removed_by(subscribers), "track_groups": removed_by(groups)}
        removed["decide_offers"] = [*self._decide(addressed, upto, told)]
        for stage, mine in removed.items():
            self._tell(told, "receipts", receipts(self.story.versions, stage, mine))

    def _hold(self, signals: Sequence[Signal]) -> None:
        taken = take(self.story, signals)
        self.counts["rejected"] += taken.rejected
        self.counts["pending"] += taken.signals
        self.counts["applied"] += taken.everybody
        self.controls += taken.controls
        self.feeds.hear(taken.batches)
        self._share(taken.batches)

    def _share(self, given: Sequence[pa.RecordBatch]) -> None:
        self.subscribers.hold([one for one in given if of_subscriber(one)])
        self.groups.hold([one for one in given if of_group(one)])

    def _decide(self, addressed: Sequence[pa.RecordBatch], upto: int, told: Told) -> Iterator[pa.RecordBatch]:
        """Answer triggers, and yield what erasures removed."""
        for offers, decided, removed in self.offers.decide(self.ledgers, addressed, upto):
            self._tell(told, "decisions", decided.decisions)
            self._tell(told, "offers", offers_of(offers, decided.decisions, decided.offers))
            yield from removed.to_batches()
        self.controls = [batch for batch in decided.waiting if is_notice(batch)]

    def _tell(self, told: Told, output: str, table: pa.Table) -> None:
        told.add(output, self.story.sentences(output, table.to_pylist()))


class Levels:
    """The contexts of some levels with their state, and the signals that wait."""

    def __init__(self, plans: ContextPlans, levels: Sequence[str]) -> None:
        """Start without any signal."""
        self._plans, self._levels, self._grid = plans, levels, Grid(plans.versions.first.tick)
        self._state: bytes | None = None
        self._closed: int | None = None
        self._next: int | None = None
        self._waiting: list[pa.RecordBatch] = []

    def hold(self, signals: Sequence[pa.RecordBatch]) -> None:
        """Keep signals for the tick that is due."""
        self._waiting += signals

    @property
    def wake(self) -> int | None:
        """The next tick at which something can change, None for never."""
        open_from = 0 if self._closed is None else self._closed + self._grid.tick
        ticks = [int(self._grid.after(batch["time"].to_numpy()).min()) for batch in self._waiting]
        ticks += [] if self._next is None else [self._next]
        return max(min(ticks), open_from) if ticks else None

    def advance(self, upto: int) -> AdvancedLevels:
        """Advance to a tick."""
        advanced = self._plans.advance(self._levels, self._state, self._closed, self._waiting, upto, Options(salt=SALT))
        self._state, self._waiting, self._closed = advanced.dump(), advanced.waiting, upto
        self._next = advanced.wake
        return advanced


def told_by(subscribers: AdvancedLevels) -> list[pa.RecordBatch]:
    """Return what subscribers tell their groups."""
    told = [one.forwarded for one in subscribers.every] + [one.forwarded for one in subscribers.erased]
    return [batch for mine in told for batch in mine]


def removed_by(levels: AdvancedLevels) -> list[pa.RecordBatch]:
    """Return what erasures removed at some levels."""
    return [batch for one in levels.erased for table in one.removed for batch in table.to_batches()]


def counts_of(levels: AdvancedLevels) -> Counter[str]:
    """Return what became of signals at some levels."""
    counts = Counter[str]()
    for told in (*(one.counts for one in levels.every), *(one.counts for one in levels.erased)):
        counts.update(told)
    return counts


def watch(playbook: Playbook) -> Watch:
    """Return what watches the feeds of a playbook."""
    return Watch(playbook.feed_timeout, Grid(playbook.tick), [*playbook.levels])
