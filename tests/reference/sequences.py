"""Sequences by definition: what each start waits for, looked up among all rows that ever came.

Where the design leaves room, the reference reads it literally (decision 0014):

- A row is later than another if its time is; a row at the very same time neither completes nor ends anything.
- What ends a sequence first counts: of rows at one time `then`, then `without`; the end of `within` is last.
- A sequence ends at the first tick later than what ended it, and stays ended whatever comes afterwards.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from schemas.contracts import contract
from schemas.playbook import Playbook
from schemas.playbook_levels import STEPS, Level, Moment
from tests.reference.expressions import Value, is_true, names
from tests.reference.features import row_scope
from tests.reference.records import Signal

Made = dict[str, Value]
"""What is told of the signals that made a trigger: what is not NULL."""

THEN, WITHOUT, TIMEOUT = range(3)


@dataclass
class Threads:
    """What one moment knows of one subject: the rows of each part, and the starts that have not ended."""

    rows: dict[str, list[Signal]] = field(default_factory=lambda: defaultdict(list))
    going: list[Signal] = field(default_factory=list)


def see(moment: Moment, threads: Threads, row: Signal, playbook: Playbook) -> None:
    """Make a row part of a moment's history, in each part that it plays."""
    for part in STEPS:
        condition = (getattr(moment, part) or {}).get(row.signal)
        known = all(row.payload.get(column) is not None for column in moment.same or ())
        scope = row_scope(row, playbook.time_zone)
        if condition and known and (condition == "any" or is_true(condition, scope, playbook.let)):
            threads.rows[part].append(row)
            threads.going += [row] if part == "after" else []


def completed(
    moment: Moment, threads: Threads, tick: int, down: bool = False, every: int = 1
) -> list[Signal | None] | None:
    """End what ends at a tick; return the start that completed there with its `then` row, None if none did.

    While a feed is `down` that could have ended it, an absence waits, but no longer than `within` after its own tick,
    the first after it was complete; ticks come `every` so many milliseconds.
    """
    found = []
    for start in list(threads.going):
        time, what, row = min(_ends(moment, threads, start), key=lambda end: (*end[:2], _order(end[2] or start)))
        if time < tick:
            absent = what == TIMEOUT and not moment.then
            lapse = (time // every + 1) * every - -moment.within // every * every
            if absent and down and tick < lapse:
                continue
            threads.going.remove(start)
            if absent and down:
                continue
            if what == (THEN if moment.then else TIMEOUT):
                found.append([start, row])
    return max(found, key=lambda pair: _order(pair[0]), default=None)


def made_by(pair: list[Signal | None], columns: set[str]) -> Made:
    """Return what is told of a start and its `then` row: of each column the latest value that is known."""
    values: Mapping[str, Value] = {}
    for row in filter(None, pair):
        values = {**values, **{key: value for key, value in row.payload.items() if value is not None}}
    return {key: value for key, value in values.items() if key in columns}


def told(name: str, moment: Moment, playbook: Playbook) -> set[str]:
    """Return the columns that are told of a moment's signals: `same`, and what they have of what its offers read."""
    offers = [offer for offer in playbook.offers.values() if any(one.split(".")[1] == name for one in offer.for_)]
    texts = [text for one in offers for text in (one.eligible, one.value, one.cost, *one.params.values())]
    read = {name for text in texts for name in names(text, playbook.let)}
    wanted = {name.removeprefix("trigger.") for name in read if name.startswith("trigger.")} | {*(moment.same or ())}
    return wanted & {
        column for signal in {**(moment.after or {}), **(moment.then or {})} for column in _columns(signal)
    }


def _columns(signal: str) -> tuple[str, ...]:
    return contract(signal).payload


def waits_for(level: Level, name: str, playbook: Playbook) -> object:
    """Return what the sequence of a moment of a level means."""
    moment = level.moments.get(name)
    if moment is None or moment.after is None:
        return None
    texts = [(part, *step) for part in STEPS for step in (getattr(moment, part) or {}).items()]
    said = [(part, signal, text, _lets(text, playbook)) for part, signal, text in sorted(texts)]
    return said, sorted(moment.same or ()), moment.within, playbook.time_zone if "local_" in repr(said) else ""


def _lets(text: str, playbook: Playbook) -> list[str]:
    return [] if text == "any" else [playbook.let[name] for name in sorted(names(text, playbook.let) & {*playbook.let})]


def _ends(moment: Moment, threads: Threads, start: Signal) -> Iterator[tuple[int, int, Signal | None]]:
    """Yield everything that may end a sequence: time, kind, row."""
    yield start.time + moment.within, TIMEOUT, None
    for kind, part in ((THEN, "then"), (WITHOUT, "without")):
        for row in threads.rows[part]:
            same = all(row.payload[column] == start.payload[column] for column in moment.same or ())
            if same and start.time < row.time:
                yield row.time, kind, row


def _order(row: Signal) -> tuple[int, str, str]:
    return row.time, row.source, row.id
