"""What the reference reads and tells: signals, the time grid, transitions, contexts, triggers."""

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass

from tests.reference.expressions import Value

MINUTE = 60_000


def ms(instant: int | datetime.datetime) -> int:
    """Return an instant, as Arrow's or as ms, as ms of the epoch."""
    return instant if isinstance(instant, int) else round(instant.timestamp() * 1000)


@dataclass(frozen=True)
class Signal:
    """One signal; `time` in ms of the epoch, `payload` by column, None is NULL.

    `subscriber` is the member whose signal it is where the subject is its group.
    """

    signal: str
    id: str
    source: str
    time: int
    subject: str
    payload: Mapping[str, Value]
    subject_kind: str = "subscriber"
    subscriber: str | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What two copies of one signal share."""
        return self.subject, self.signal, self.source, self.id

    @property
    def content(self) -> tuple[int, str]:
        """What orders copies: time, then something of the content."""
        return self.time, json.dumps(dict(self.payload), sort_keys=True)


@dataclass(frozen=True)
class Grid:
    """The time grid, all in ms: windows up to `exact_limit` are exact, longer ones move by panes."""

    exact_limit: int = 120 * MINUTE
    short_pane: int = 5 * MINUTE
    long_pane: int = 60 * MINUTE
    short_span: int = 2 * 1440 * MINUTE

    def edges(self, tick: int, window: int, offset: int) -> tuple[int, int]:
        """Return the window `[tail, head)` of a feature at a tick."""
        pane = self.short_pane if window + offset <= self.short_span else self.long_pane
        tail, head = tick - offset - window, tick - offset
        if window + offset > self.exact_limit:
            tail = tail // pane * pane
        if offset > self.exact_limit:
            head = head // pane * pane
        return tail, head


@dataclass(frozen=True, order=True)
class Transition:
    """One change: of a segment (entered, refreshed, exited) or of a moment (fired)."""

    tick: int
    subject: str
    kind: str
    name: str
    event: str
    reason: str | None = None
    late: bool = False


@dataclass(frozen=True)
class Context:
    """What is known of a subject at a tick: features and derived values, and the segments it is in."""

    values: Mapping[str, Value]
    segments: tuple[str, ...]


@dataclass(frozen=True)
class Address:
    """Whose ledger decides about a trigger, and who would be contacted; as `transforms` call it."""

    root_kind: str
    root: str
    recipient: str | None
    household: str | None = None
    sme: str | None = None
    moved_until: int | None = None


@dataclass(frozen=True)
class Trigger:
    """One question to the offers; `made` is what is known of the columns of the signals that made it."""

    tick: int
    subject: str
    trigger: str
    late: bool
    context: Context
    made: Mapping[str, Value]
    address: Address
