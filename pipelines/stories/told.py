"""What an engine told of a story, beside what the story expects."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.stories.story import OUTPUTS, Expect, Story
from pipelines.stories.times import instant
from schemas.yaml_source import KeyPath


@dataclass
class Told:
    """Sentences of each of `OUTPUTS`, and counts of signals since the story began, None from an engine without."""

    sentences: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in OUTPUTS})
    counts: Counter[str] | None = None

    def add(self, output: str, sentences: Iterable[str]) -> None:
        """Add sentences."""
        self.sentences[output] += sentences


Play = Callable[[Story], Iterator[tuple[Told, Sequence[Expect]]]]
"""Plays a story: yields what was told since the time before, and what was expected of it."""


def by_expect(
    story: Story, rows: Mapping[str, Sequence[Mapping[str, Any]]], counts: Counter[str]
) -> Iterator[tuple[Told, Sequence[Expect]]]:
    """Yield what a whole story told, parted by the expect that speaks of it: that of the ticks closed before it.

    Args:
        story: What was played.
        rows: Of each of `OUTPUTS`.
        counts: At the end: only the last expect can be held against them.
    """
    before, last = -1, len(story.expects) - 1
    for number, (expect, closed) in enumerate(story.expects):
        told = Told(counts=counts if number == last else None)
        for output, time in OUTPUTS.items():
            mine = (row for row in rows[output] if before < instant(row[time]).timestamp() * 1000 <= closed)
            told.add(output, story.sentences(output, mine))
        before = closed
        yield told, (expect,)


@dataclass(frozen=True)
class Difference:
    """One sentence or count that is not as expected.

    Attributes:
        path: Where in the story: of what was expected itself, else of the list in which it is missing.
        message: What is different.
    """

    path: KeyPath
    message: str


def differences(told: Told, expects: Sequence[Expect]) -> list[Difference]:
    """Return where what was told differs from what was expected, in the order of the file; empty if nowhere."""
    found = [one for output in OUTPUTS for one in _of_sentences(output, told, expects)]
    return found + (_of_counts(told.counts, expects) if told.counts is not None else [])


def _of_counts(counts: Counter[str], expects: Sequence[Expect]) -> list[Difference]:
    last = {name: (expect, number) for expect in expects for name, number in expect.counts.items()}
    return [
        Difference((*expect.path, "counts", name), f"expected {name}: {number}, found {counts[name]}")
        for name, (expect, number) in last.items()
        if counts[name] != number
    ]


def _of_sentences(output: str, told: Told, expects: Sequence[Expect]) -> Iterator[Difference]:
    mine = [(expect, expect.sentences[output]) for expect in expects if output in expect.sentences]
    if not mine:
        return
    unheard = Counter(told.sentences[output])
    for expect, sentences in mine:
        for number, sentence in enumerate(sentences):
            if unheard[sentence]:
                unheard[sentence] -= 1
            else:
                yield Difference((*expect.path, output, number), f"expected: {sentence}")
    if any(output in expect.at_least for expect, _ in mine):
        return
    last = (*mine[-1][0].path, output)
    yield from (Difference(last, f"found:    {sentence}") for sentence in sorted(unheard.elements()))
