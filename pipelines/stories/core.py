"""Stories on the pure core: the kernels of contexts and of decisions, called once a watermark."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipelines.stories.signals import batches
from pipelines.stories.story import Arrival, Expect, Signal, Story, Watermark
from pipelines.stories.told import Told
from schemas.playbook import GROUPS
from transforms.context.advance import Advanced
from transforms.context.advance_levels import advance_levels
from transforms.context.definitions import ContextPlan
from transforms.context.feature_plan import SUBSCRIBER
from transforms.context.plan import load_plans
from transforms.decision.decide import decide
from transforms.decision.offers import offers_of
from transforms.decision.plan import load_offers


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
        plans, self.offers = load_plans(story.playbook), load_offers(story.playbook)
        self.subscribers = _Level([plans[SUBSCRIBER]])
        self.groups = _Level([plan for level, plan in plans.items() if level in GROUPS])
        self.ledger: bytes | None = None

    def advance(self, signals: Sequence[Signal], time: int, told: Told) -> None:
        """Advance to the last tick that a watermark closes, and add what comes of it."""
        upto = time // self.story.playbook.tick * self.story.playbook.tick
        given = batches(self.story.playbook, signals)
        subscribers = self.subscribers.advance([one for one in given if not _of_group(one)], upto)
        passed_on = [batch for one in subscribers for batch in one.told]
        groups = self.groups.advance([*passed_on, *filter(_of_group, given)], upto)
        every = [*subscribers, *groups]
        decided = decide(
            self.offers, self.ledger, [batch for one in every for batch in (one.outputs.triggers, *one.facts)], upto
        )
        self.ledger = decided.state
        self._count(every)
        tables = (
            [one.outputs.transitions for one in every],
            [decided.decisions],
            [offers_of(self.offers, decided.decisions)],
        )
        for output, mine in zip(told.sentences, tables, strict=True):
            told.add(output, self.story.sentences(output, [row for table in mine for row in table.to_pylist()]))

    def _count(self, every: Sequence[Advanced]) -> None:
        self.counts["pending"] = 0
        for one in every:
            self.counts.update(one.counts)


class _Level:
    """The contexts of some levels with their state, and the signals that wait."""

    def __init__(self, plans: Sequence[ContextPlan]) -> None:
        self._plans = plans
        self._state: bytes | None = None
        self._waiting: list[pa.RecordBatch] = []

    def advance(self, signals: Sequence[pa.RecordBatch], upto: int) -> list[Advanced]:
        advanced = advance_levels(self._plans, self._state, [*self._waiting, *signals], upto)
        self._state, self._waiting = advanced.state, advanced.waiting
        return advanced.every


def _of_group(batch: pa.RecordBatch) -> bool:
    return batch.schema.metadata[b"subject_kind"].decode() in GROUPS
