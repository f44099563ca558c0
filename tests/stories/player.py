"""Plays a story on the brute-force reference, which knows transitions and nothing of decisions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from pipelines.stories.signals import take
from pipelines.stories.story import Arrival, Expect, Story, Watermark
from pipelines.stories.told import Told
from tests.reference.groups import World
from tests.reference.records import Grid, Signal
from tests.reference.versions import Succession


def play_reference(story: Story) -> Iterator[tuple[Told, Sequence[Expect]]]:
    """Play a story as an engine does."""
    reference, waiting, heard = Succession(story.versions.playbooks, Grid()), list[Signal](), 0
    rejected = 0
    advance = reference.advance
    if "erasure" in story.playbook.signals:
        world = World(story.versions.playbooks, Grid())
        reference, advance = world.levels["subscriber"], world.advance
    for event in story.events:
        if isinstance(event, Arrival):
            good = [s for s in event.signals if not take(story, [s]).rejected]
            rejected += len(event.signals) - len(good)
            waiting += [Signal(s.signal, s.id, s.source, s.time, s.subject, s.payload) for s in good]
        elif isinstance(event, Watermark):
            advance(waiting, event.time // story.playbook.tick * story.playbook.tick)
            waiting = []
        else:
            told = Told(counts=Counter(reference.counts, pending=len(reference.waiting)))
            told.counts["rejected"] += rejected
            told.add("transitions", story.sentences("transitions", map(asdict, reference.transitions[heard:])))
            heard = len(reference.transitions)
            known = {name: lines for name, lines in event.sentences.items() if name == "transitions"}
            yield told, (Expect(event.path, known, event.counts, event.at_least),)
