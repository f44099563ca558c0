"""Stories as data, and what a run tells as the sentences that stories are written in.

A story is a YAML file: `story` (a sentence or two), `playbook` (a small one), and `events` in the order in which they
happen: `signals` arrive, the `watermark` says up to when all is known, `expect` says what has been told since the
`expect` before. Times are UTC, on the `day` of the story (2026-01-05) unless they have a date. What is told is said as

- `10:01 anna enters heavy`, `10:05 anna refreshes heavy`, `10:06 anna leaves heavy: expired`, `10:01 anna has burst`
- `10:01 anna, burst: offer day_pass`, `…: no_offer because cooldown`, `…: outranked`, each with ` (late)` where it is
- `10:01 anna gets day_pass by app`
- counts of signals since the story began: applied, duplicates, late (of the applied), rejected, pending
"""

import datetime
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.playbook import Playbook
from schemas.playbook_file import parse_playbook
from schemas.yaml_source import read_yaml
from tests.reference.records import Signal, Transition, ms

FOLDER = Path(__file__).parent
ENGINES = ("reference", "core", "bounded", "stream")
_ENVELOPE = {"at", "id", "source"}
_VERBS = {"entered": "enters", "refreshed": "refreshes", "exited": "leaves", "fired": "has"}


@dataclass
class Told:
    """What was told up to a point, as sentences; `counts` are those of the whole story so far."""

    transitions: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    offers: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def of(self, expected: Mapping[str, Any]) -> dict[str, Any]:
        """Return, in the form of `expect`, the part that it speaks of."""
        told: dict[str, Any] = {key: sorted(getattr(self, key)) for key in expected if key != "counts"}
        if "counts" in expected:
            told["counts"] = {key: self.counts[key] for key in expected["counts"]}
        return told


@dataclass(frozen=True)
class Story:
    """One story.

    Attributes:
        name: The file's name.
        playbook: Its small playbook, loaded.
        playbook_text: The same as the text of a file.
        engines: On which of `ENGINES` it plays; stories about lateness leave out `bounded`.
        events: ("signals", list of Signal), ("watermark", ms) or ("expect", what is told since the one before).
        day: The UTC day of times without a date.
    """

    name: str
    playbook: Playbook
    playbook_text: str
    engines: tuple[str, ...]
    events: tuple[tuple[str, Any], ...]
    day: str

    @property
    def until(self) -> int:
        """The last watermark, ms."""
        return max(what for kind, what in self.events if kind == "watermark")

    @property
    def expected(self) -> dict[str, Any]:
        """All that is expected, as if there were one `expect` at the end."""
        whole: dict[str, Any] = {}
        for expect in (what for kind, what in self.events if kind == "expect"):
            for key, told in expect.items():
                whole[key] = whole.get(key, {}) | told if key == "counts" else sorted(whole.get(key, []) + told)
        return whole

    def when(self, time: int) -> str:
        """Return a time as stories write it: without the date on the day of the story."""
        text = datetime.datetime.fromtimestamp(time / 1000, datetime.UTC).strftime("%Y-%m-%d %H:%M")
        return text.removeprefix(f"{self.day} ")

    def transition(self, one: Transition) -> str:
        """Return the sentence of a transition."""
        why = f": {one.reason}" if one.reason else ""
        return f"{self.when(one.tick)} {one.subject} {_VERBS[one.event]} {one.name}{why}{' (late)' if one.late else ''}"

    def decision(self, row: Mapping[str, Any]) -> str:
        """Return the sentence of a decision record."""
        told = " ".join(filter(None, (row["action"], row["offer"])))
        why = f" because {row['reason']}" if row["action"] == "no_offer" else ""
        what = row["trigger"].removeprefix("subscriber.")
        return f"{self.when(ms(row['tick']))} {row['subject']}, {what}: {told}{why}{' (late)' if row['late'] else ''}"

    def offer(self, row: Mapping[str, Any]) -> str:
        """Return the sentence of an offer, a CloudEvent."""
        who = row["subject"].removeprefix("subscriber/")
        return f"{self.when(ms(row['time']))} {who} gets {row['data']['offer']} by {row['data']['channel']}"


def stories() -> list[Story]:
    """Return all stories, by name."""
    return [read_story(path) for path in sorted(FOLDER.glob("*.yaml"))]


def read_story(path: Path) -> Story:
    """Read a story from its file."""
    data = read_yaml(path).data
    day = data.get("day", "2026-01-05")
    text = json.dumps({"playbook": "story", **data["playbook"]}, indent=1)  # JSON is YAML
    engines = tuple(name for name in ENGINES if name in {"reference", *data.get("engines", ENGINES)})
    numbered = itertools.count()
    events = tuple(_event(event, day, numbered) for event in data["events"])
    return Story(path.stem, parse_playbook(text, path.name), text, engines, events, day)


def _event(event: Mapping[str, Any], day: str, numbered: Iterator[int]) -> tuple[str, Any]:
    """Return one event of a story with its times in ms and its signals as records."""
    ((kind, what),) = event.items()
    if kind == "signals":
        return kind, [_signal(one, day, numbered) for one in what]
    if kind == "watermark":
        return kind, _time(what, day)
    return kind, {key: told if key == "counts" else sorted(told) for key, told in what.items()}


def _signal(written: Mapping[str, Any], day: str, numbered: Iterator[int]) -> Signal:
    """Return a signal; without an `id` it has one of its own, without a `source` it is from the network."""
    signal, subject = next(iter(written.items()))
    payload = {key: value for key, value in written.items() if key not in _ENVELOPE | {signal}}
    number = next(numbered)
    return Signal(
        signal,
        written.get("id", f"n{number}"),
        written.get("source", "net"),
        _time(written["at"], day),
        subject,
        payload,
    )


def _time(text: str, day: str) -> int:
    """Return ms of the epoch of `10:00`, `10:00:20`, `10:00:20.001` or a date and one of these, in UTC."""
    whole = text if "-" in text else f"{day} {text}"
    return round(datetime.datetime.fromisoformat(f"{whole}+00:00").timestamp() * 1000)
