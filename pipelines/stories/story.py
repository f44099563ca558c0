"""Stories as data: signals that arrive, the watermark that moves, and what must have been told by then.

What is told is said in sentences, times in UTC, without the date on the day of the story:

- `10:01 anna enters heavy`, `10:05 anna refreshes heavy`, `10:06 anna leaves heavy: expired`, `10:01 anna has burst`
- `10:01 anna, burst: offer day_pass`, `…: no_offer because cooldown`, `…: outranked`, `…: deferred until 11:00 because
  quiet`, `…: deferred because open_ticket`, `…: holdout day_pass because global`, each with ` (late)` where it is
- `10:01 anna gets day_pass by app`
- of a household or SME: `10:01 household/h enters busy`, `10:01 household/h, busy: offer fibre to anna`,
  `10:01 anna gets fibre by app for household/h`
- of an erasure, by its id, what a stage removed: `10:16 e1, decide_offers: 1 reservations`, `…: nothing`
- counts of signals since the story began: applied, duplicates, late (of the applied), rejected, erased,
  contradictory, doubtful, pending
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.stories.times import format_time
from schemas.playbook import Playbook
from schemas.versions import Versions
from schemas.yaml_source import KeyPath, YamlSource
from transforms.decision.offers import WITHDRAWN

ENGINES = ("core", "bounded", "stream")
"""The kernels alone, a Beam run over files, a Beam stream."""

OUTPUTS = {"transitions": "tick", "decisions": "tick", "offers": "time", "receipts": "tick"}
"""What is told, and the column that says when."""

_EXPLAINED = ("no_offer", "deferred", "holdout", "withdrawn")
_VERBS = {"entered": "enters", "refreshed": "refreshes", "exited": "leaves", "fired": "has"}


@dataclass(frozen=True)
class Signal:
    """One signal; `time` in ms of the epoch, `payload` by field of its contract. A run rejects what lacks a name."""

    signal: str
    id: str | None
    source: str | None
    time: int
    subject_kind: str | None
    subject: str | None
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Arrival:
    """Signals that arrive together."""

    signals: tuple[Signal, ...]


@dataclass(frozen=True)
class Watermark:
    """All is known up to `time`, ms of the epoch."""

    time: int


@dataclass(frozen=True)
class Expect:
    """What must have been told since the `expect` before; of what it does not name, nothing is expected.

    Attributes:
        path: Where it stands in the file.
        sentences: Those of each of `OUTPUTS` that it names; their order does not matter.
        counts: Signals since the story began, of those that it names.
        at_least: The outputs of which more may be told.
    """

    path: KeyPath
    sentences: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, int]
    at_least: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Story:
    """One story.

    Attributes:
        name: The file's name, without its ending.
        source: The file.
        versions: Whose story it is.
        inline: The data of each version where they stand in the story itself, else nothing.
        engines: On which of `ENGINES` it plays; stories about lateness leave out `bounded`.
        events: In the order in which they happen.
        day: The UTC day of times without a date.
        decide_from: Triggers of earlier ticks, ms of the epoch, get no answer; None: all are answered.
    """

    name: str
    source: YamlSource
    versions: Versions
    inline: tuple[Mapping[str, Any], ...]
    engines: tuple[str, ...]
    events: tuple[Arrival | Watermark | Expect, ...]
    day: str
    decide_from: int | None = None

    @property
    def playbook(self) -> Playbook:
        """The version at the beginning."""
        return self.versions.first

    @property
    def signals(self) -> tuple[Signal, ...]:
        """All signals, in the order of arrival."""
        return tuple(one for event in self.events if isinstance(event, Arrival) for one in event.signals)

    @property
    def until(self) -> int:
        """The last tick that a watermark closes, ms."""
        last = max(event.time for event in self.events if isinstance(event, Watermark))
        return last // self.playbook.tick * self.playbook.tick

    @property
    def expects(self) -> tuple[tuple[Expect, int], ...]:
        """All that is expected, each with the last tick that was closed by then, ms; -1 for none."""
        found, closed = [], -1
        for event in self.events:
            if isinstance(event, Watermark):
                closed = event.time // self.playbook.tick * self.playbook.tick
            elif isinstance(event, Expect):
                found.append((event, closed))
        return tuple(found)

    def sentences(self, output: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Return what rows of one of `OUTPUTS` say."""
        return [getattr(self, f"_{output}")(row) for row in rows]

    def _transitions(self, row: Mapping[str, Any]) -> str:
        why = f": {row['reason']}" if row["reason"] else ""
        return f"{self._when(row['tick'])} {_who(row)} {_VERBS[row['event']]} {row['name']}{why}{_late(row)}"

    def _decisions(self, row: Mapping[str, Any]) -> str:
        until = f"until {self._when(row['until'])}" if row["until"] is not None else None
        told = " ".join(filter(None, (row["action"], row["offer"], until)))
        whom = f" to {row['recipient']}" if row["offer"] and row["subject_kind"] != "subscriber" else ""
        why = f" because {row['holdout'] or row['reason']}" if row["action"] in _EXPLAINED else ""
        what = row["trigger"].removeprefix(f"{row['subject_kind']}.")
        return f"{self._when(row['tick'])} {_who(row)}, {what}: {told}{whom}{why}{_late(row)}"

    def _offers(self, row: Mapping[str, Any]) -> str:
        data = row["data"]
        of_group = "" if row["subject"].startswith("subscriber/") else f" for {row['subject']}"
        when, what = self._when(row["time"]), f"{data['offer']} by {data['channel']}{of_group}"
        if row["type"] == WITHDRAWN:
            return f"{when} {data['recipient']} no longer gets {what}: {data['reason']}"
        return f"{when} {data['recipient']} gets {what}"

    def _receipts(self, row: Mapping[str, Any]) -> str:
        removed = ", ".join(f"{one['rows']} {one['table']}" for one in row["removed"])
        return f"{self._when(row['tick'])} {row['id']}, {row['stage']}: {removed or 'nothing'}"

    def _when(self, time: Any) -> str:
        return format_time(time, self.day)


def _who(row: Mapping[str, Any]) -> str:
    kind = row.get("subject_kind", "subscriber")
    return f"{row['subject']}" if kind == "subscriber" else f"{kind}/{row['subject']}"


def _late(row: Mapping[str, Any]) -> str:
    return " (late)" if row["late"] else ""
