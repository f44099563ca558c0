"""Plays a story on an engine and returns what was told, to compare with what the story expects."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from tests.reference.contexts import Reference
from tests.reference.kernel import Kernel
from tests.reference.records import Grid, Signal
from tests.stories.story import Story, Told
from transforms.context.plan import load_plan
from transforms.decision.decide import decide
from transforms.decision.offers import offers_of
from transforms.decision.plan import load_offers


class Engine(Protocol):
    """Something that can be called with signals and a tick to close."""

    def advance(self, signals: list[Signal], upto: int) -> Told:
        """Return what the call told."""


def play(story: Story, engine: Engine) -> Iterator[tuple[Told, dict[str, object]]]:
    """Yield, at every `expect` of a story, what was told since the one before, and what was expected."""
    waiting: list[Signal] = []
    told = Told()
    for kind, what in story.events:
        if kind == "signals":
            waiting += what
        elif kind == "watermark":
            new = engine.advance(waiting, what // story.playbook.tick * story.playbook.tick)
            told = Told(told.transitions + new.transitions, told.decisions + new.decisions, told.offers + new.offers)
            told.counts, waiting = new.counts, []
        else:
            yield told, what
            told = Told(counts=told.counts)


class ReferenceEngine:
    """The brute-force reference: it knows transitions, and nothing of decisions."""

    def __init__(self, story: Story) -> None:
        self.story, self.reference = story, Reference(story.playbook, Grid())

    def advance(self, signals: list[Signal], upto: int) -> Told:
        """Return what the call told, without decisions."""
        before = len(self.reference.transitions)
        self.reference.advance(signals, upto)
        told = Told([self.story.transition(one) for one in self.reference.transitions[before:]])
        told.counts.update(self.reference.counts, pending=len(self.reference.waiting))
        return told


class CoreEngine:
    """The pure core: the kernels of contexts and of decisions, called once a watermark."""

    def __init__(self, story: Story) -> None:
        self.story, self.kernel = story, Kernel(load_plan(story.playbook))
        self.offers, self.ledger = load_offers(story.playbook), None

    def advance(self, signals: list[Signal], upto: int) -> Told:
        """Return what the call told."""
        before = len(self.kernel.transitions)
        self.kernel.advance(signals, upto)
        decided = decide(self.offers, self.ledger, [self.kernel.advanced.outputs.triggers], upto)
        self.ledger = decided.state
        return Told(
            [self.story.transition(one) for one in self.kernel.transitions[before:]],
            [self.story.decision(row) for row in decided.decisions.to_pylist()],
            [self.story.offer(row) for row in offers_of(self.offers, decided.decisions).to_pylist()],
            Counter(self.kernel.counts),
        )


ENGINES: dict[str, Callable[[Story], Engine]] = {"reference": ReferenceEngine, "core": CoreEngine}
