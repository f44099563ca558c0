"""Stories on the pure core: the kernels of contexts and of decisions, called once a watermark."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipelines.stories.signals import batches
from pipelines.stories.story import Arrival, Expect, Signal, Story, Watermark
from pipelines.stories.told import Told
from transforms.context.advance import advance
from transforms.context.plan import load_plan
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
        self.plan, self.offers = load_plan(story.playbook), load_offers(story.playbook)
        self.contexts: bytes | None = None
        self.ledger: bytes | None = None
        self.waiting: list[pa.RecordBatch] = []

    def advance(self, signals: Sequence[Signal], time: int, told: Told) -> None:
        """Advance to the last tick that a watermark closes, and add what comes of it."""
        upto = time // self.story.playbook.tick * self.story.playbook.tick
        given = [*self.waiting, *batches(self.story.playbook, self.plan, signals)]
        advanced = advance(self.plan, self.contexts, given, upto)
        decided = decide(self.offers, self.ledger, [advanced.outputs.triggers], upto)
        self.contexts, self.waiting, self.ledger = advanced.state, advanced.waiting, decided.state
        self.counts.update({name: number for name, number in advanced.counts.items() if name != "pending"})
        self.counts["pending"] = advanced.counts["pending"]
        offers = offers_of(self.offers, decided.decisions)
        for output, table in zip(
            told.sentences, (advanced.outputs.transitions, decided.decisions, offers), strict=True
        ):
            told.add(output, self.story.sentences(output, table.to_pylist()))
