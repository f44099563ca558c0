"""One case: a stream that is fed while it runs, dies as it is told to, and is started again until it has ended."""

import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pipelines.engines.children import Child
from schemas.durations import MINUTE
from schemas.errors import LoadErrors
from tests.crashes.days import FILES, GRACE, MIDNIGHT, PUBLISHED, Day, comparable
from tests.crashes.feeds import Broker
from tests.crashes.launcher import COUNTS, DEATH, NOTES, ORDERS, WATERMARK, Death
from tests.streams.towns import KEY, UNTIL, stream_rows
from transforms.streams.manifests import cuts_in
from transforms.streams.watermark import ENDED

NOTED, STATE, LAUNCHER = "notes", "state", "launcher"
"""Folders of a case, and what its log is called."""

PATIENCE = 500.0
"""Seconds of one life."""

AHEAD = 125 * MINUTE
"""Event time that is sent ahead of the newest cut: what that waits for, and what the next one does."""

Disturb = Mapping[int, Callable[[], None]]
"""What happens before a slice is sent, by its number."""


@dataclass
class Seen:
    """What was seen of a case.

    Attributes:
        name: Of the case.
        deaths: Each death with the cuts that there were.
        sent: Signals that were sent.
        read: Signals that were read, in all lives.
        wanted: Messages of an uninterrupted run.
        out: Messages that were published.
        repeats: Those that came again with the same id and content.
        conflicting: Ids of more than one content.
        lost: Messages of an uninterrupted run that did not come.
        strange: Messages that an uninterrupted run does not have.
        files: Of each output in files that differs, rows that are missing and rows that are too many.
        unacknowledged: Signals that would come again.
        seconds: For how long it took.
    """

    name: str
    deaths: list[str] = field(default_factory=list)
    sent: int = 0
    read: int = 0
    wanted: int = 0
    out: int = 0
    repeats: int = 0
    conflicting: int = 0
    lost: int = 0
    strange: int = 0
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    unacknowledged: int = 0
    seconds: float = 0.0
    odd: list[str] = field(default_factory=list)

    def is_exact(self) -> bool:
        """Tell whether a consumer that drops repeated ids sees the uninterrupted run, and nothing comes again."""
        return not (self.conflicting or self.lost or self.strange or self.files or self.unacknowledged)


class Feeder:
    """Sends a day slice by slice, the next when the one before was read and cuts keep up.

    Attributes:
        waits_for_cuts: Whether these count: who sends the rest need not wait for them.
    """

    def __init__(self, day: Day, broker: Broker, folder: Path, disturb: Disturb) -> None:
        """Start with nothing sent."""
        self._day, self._broker, self._disturb = day, broker, disturb
        self._notes, self._state = folder / NOTED, folder / STATE
        self._next = 0
        self.waits_for_cuts = True

    def feed(self) -> bool:
        """Send the next slice if it is time; return whether all is sent."""
        if self._next < len(self._day.slices) and self._was_read():
            self._disturb.get(self._next, lambda: None)()
            self._broker.send(self._day.slices[self._next])
            self._next += 1
        return self._next == len(self._day.slices)

    def _was_read(self) -> bool:
        if not self._next:
            return True
        cut = max(cuts_in(str(self._state)), default=MIDNIGHT)
        if self.waits_for_cuts and self._day.ends[self._next] > cut + AHEAD:
            return False
        with suppress(FileNotFoundError):
            # a clock is the last millisecond of its slice, and the playbook's grace is before it
            watermark = int((self._notes / WATERMARK).read_text())
            assert watermark < ENDED, "it ended before all was sent"
            return watermark >= self._day.ends[self._next - 1] - 1 - GRACE
        return False


def play(
    name: str, day: Day, broker: Broker, folder: Path, deaths: Sequence[Death], options: Sequence[str], disturb: Disturb
) -> Seen:
    """Run until it has ended, dying on the way; return what was seen."""
    seen, began = Seen(name, sent=day.sent), time.monotonic()
    notes, state, out = folder / NOTED, folder / STATE, folder / "out"
    notes.mkdir(parents=True)
    feeder = Feeder(day, broker, folder, disturb)
    for death in [*deaths, None]:
        signals = broker.signals("15s" if death is None else "1h")
        command = _command(day, signals, broker.outputs(), out, state, options)
        feeder.waits_for_cuts = death is not None
        seen.deaths += _live(command, death, feeder, notes, folder / f"{LAUNCHER}.log")
        seen.read += json.loads((notes / COUNTS).read_bytes()).get("signals/in", 0)
        if death is not None:
            seen.deaths[-1] += f" ({len(cuts_in(str(state)))} cuts)"
    compare(seen, day, broker, out)
    seen.seconds = time.monotonic() - began
    return seen


def _command(
    day: Day, signals: Sequence[str], outputs: Sequence[str], out: Path, state: Path, options: Sequence[str]
) -> list[str]:
    cuts = ["--state-out", str(state), *(["--state-in", str(state)] if cuts_in(str(state)) else [])]
    read = [text for one in signals for text in ("--signals", one)]
    published = [text for one in outputs for text in ("--publish", one)]
    times = ["--until", day.until, "--as-of", UNTIL, "--mode", "simulated", "--format", "parquet"]
    launcher = [sys.executable, "-m", "tests.crashes.launcher", "run", str(day.playbooks)]
    return [*launcher, *read, *published, "--out", str(out), *times, *cuts, *options]


def _live(command: Sequence[str], death: Death | None, feeder: Feeder, notes: Path, log: Path) -> list[str]:
    """Start a process, feed it, and wait for its end; return its death, if it was to die."""
    for name in (DEATH, WATERMARK):
        (notes / name).unlink(missing_ok=True)
    orders = "" if death is None else msgspec.json.encode(death).decode()
    environment = {"SEGONE_PSEUDONYM_KEY": KEY, ORDERS: orders, NOTES: str(notes), "POLARS_MAX_THREADS": "1"}
    until = time.monotonic() + PATIENCE
    with Child(name=LAUNCHER, command=command, logs=log.parent, environment=environment) as child:
        while child.running:
            feeder.feed()
            assert time.monotonic() < until, f"{death}: it did not end; {_tail(log)}"
            time.sleep(0.05)
        failure = _failure(child)
    if death is None:
        assert failure is None, failure
        return []
    assert (notes / DEATH).exists(), f"{death} never came; {failure} {_tail(log)}"
    assert failure is not None, death
    return [death.point if death.victim == "self" else f"{death.point}, {death.victim}"]


def _failure(child: Child) -> LoadErrors | None:
    """Return how a process that has ended failed."""
    try:
        child.finish(0)
    except LoadErrors as error:
        return error
    return None


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-3_000:]


def compare(seen: Seen, day: Day, broker: Broker, out: Path) -> None:
    """Compare what is there with the uninterrupted run."""
    for output in PUBLISHED:
        contents: dict[str, set[bytes]] = defaultdict(set)
        messages = broker.published(output)
        for id_, text in messages:
            contents[id_].add(text)
        got, wanted = Counter(text for texts in contents.values() for text in texts), day.messages[output]
        seen.wanted, seen.out = seen.wanted + wanted.total(), seen.out + len(messages)
        seen.repeats += len(messages) - got.total()
        seen.conflicting += sum(len(texts) > 1 for texts in contents.values())
        seen.lost, seen.strange = seen.lost + (wanted - got).total(), seen.strange + (got - wanted).total()
        seen.odd += [f"{output} lost: {text!r}" for text in [*(wanted - got)][:3]]
        seen.odd += [f"{output} strange: {text!r}" for text in [*(got - wanted)][:3]]
    for output in FILES:
        rows = comparable(output, stream_rows(out, output), day.until, 1 + len(seen.deaths))
        expected = day.rows[output]
        if rows != expected:
            seen.files[output] = (expected - rows).total(), (rows - expected).total()
            seen.odd += [f"{output} missing: {row}" for row in [*(expected - rows)][:3]]
            seen.odd += [f"{output} too many: {row}" for row in [*(rows - expected)][:3]]
    seen.unacknowledged = broker.unacknowledged()


def table(every: Sequence[Seen]) -> str:
    """Return what was seen as a table of Markdown, then where each life ended."""
    heads = (
        "case",
        "kills",
        "signals in",
        "read",
        "wanted out",
        "published",
        "repeats",
        "conflicting",
        "lost",
        "other",
    )
    rows = [
        (
            one.name,
            len(one.deaths),
            *(one.sent, one.read, one.wanted, one.out, one.repeats, one.conflicting, one.lost),
            one.strange + sum(sum(counts) for counts in one.files.values()),
        )
        for one in every
    ]
    total = ("all", *(sum(int(row[n]) for row in rows) for n in range(1, len(heads))))
    lines = [" | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in row) for row in [*rows, total]]
    told = [f"- {one.name}: {'; '.join(one.deaths) or 'nothing killed'}" for one in every]
    rule = " | ".join(["---"] * len(heads))
    return "\n".join([*(f"| {line} |" for line in [" | ".join(heads), rule, *lines]), "", *told, ""])
