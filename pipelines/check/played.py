"""A world played on the core engine, and what was told as rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipelines.check.world import Event
from pipelines.stories.core import play_core
from pipelines.stories.story import Expect, Story
from pipelines.stories.times import instant
from schemas.playbook import Playbook
from schemas.versions import Versions
from schemas.yaml_source import YamlSource

Row = Mapping[str, Any]
_TIMES = ("tick", "trigger_tick", "until", "valid_until", "time")


@dataclass(frozen=True)
class _Heard(Story):
    """A story that keeps the rows of what it tells."""

    heard: list[tuple[str, Row]] = field(default_factory=list)

    def sentences(self, output: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        every = list(rows)
        self.heard.extend((output, row) for row in every)
        return super().sentences(output, every)


@dataclass(frozen=True)
class Played:
    """What a playbook made of a world.

    Attributes:
        rows: Output and row, in the order in which they were told; times in ms of the epoch.
        told: The sentences of each output.
    """

    rows: Sequence[tuple[str, Row]]
    told: Mapping[str, Sequence[str]]

    @cached_property
    def decisions(self) -> list[Row]:
        """The decisions, withdrawals among them, by tick."""
        return sorted((row for output, row in self.rows if output == "decisions"), key=lambda row: row["tick"])

    @cached_property
    def answers(self) -> list[Row]:
        """The decisions but for withdrawals."""
        return [row for row in self.decisions if row["action"] != "withdrawn"]

    @cached_property
    def sent(self) -> list[Row]:
        """The decisions that made an offer."""
        return [row for row in self.decisions if row["action"] == "offer"]

    @cached_property
    def reserved(self) -> list[Row]:
        """The decisions that count towards limits: offers and holdouts."""
        return [row for row in self.decisions if row["action"] in ("offer", "holdout")]

    def of(self, output: str) -> list[Row]:
        """Return the rows of one output."""
        return [row for name, row in self.rows if name == output]


def play(playbook: Playbook, events: tuple[Event, ...], day: str) -> Played:
    """Play events on the core engine, which dumps and loads its state at each watermark.

    Args:
        playbook: Whose world it is.
        events: Signals and watermarks; the last event is a watermark.
        day: The UTC day of sentences without a date.
    """
    source = YamlSource(playbook.file, "", {}, {(): 1})
    expect = Expect((), {}, {})
    story = _Heard(Path(playbook.file).stem, source, Versions((playbook,)), (), ("core",), (*events, expect), day)
    told = [one for one, _ in play_core(story)][-1]
    return Played([(output, _in_ms(row)) for output, row in story.heard], told.sentences)


def _in_ms(row: Row) -> Row:
    found = dict(row)
    for name in _TIMES:
        if name in found and found[name] is not None:
            found[name] = round(instant(found[name]).timestamp() * 1000)
    return found
