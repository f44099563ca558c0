"""Takes offers and withdrawals, CloudEvents one a line: each has its effect once, however often it comes."""

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from examples.consumer.inbox import Inbox

MADE, WITHDRAWN = "offer.made", "offer.withdrawn"
SOURCE = "example-consumer"
INBOUND = "inbound"  # the channel of what is shown and not pushed
BATCH = 1_000  # lines a transaction
USED = ("recipient_kind", "recipient", "offer", "family", "message", "channel")
"""What we read of an event's data, all texts, beside `valid_until`."""

CONTACTS = {"shown": ("sent", None), "expired": ("failed", "expired"), "kept_back": ("failed", "withdrawn")}
"""What is reported of an offer that comes into a state: state of the contact, reason."""

EFFECTS = ("shown", "withdrawn", "expired", "kept_back")
"""What may become of an offer; all else leaves everything as it is."""


class NotAnOffer(ValueError):
    """A line is no event that we understand."""


@dataclass(frozen=True)
class Event:
    """An offer or a withdrawal; instants are milliseconds UTC, `data` is the event's own."""

    id: str
    type: str
    mode: str
    time: int
    valid_until: int
    data: dict[str, Any]


Clock = Callable[[Event], int]
Tell = Callable[[Event, str], None]


def parse(line: bytes) -> Event:
    """Return the event of a line; attributes that we do not know are left alone.

    Raises:
        NotAnOffer: with what is wrong.
    """
    try:
        event = json.loads(line)
        data = event["data"]
        times = millis(event["time"]), millis(data["valid_until"])
        found = Event(event["id"], event["type"], event["mode"], *times, data)
        for text in (found.id, found.type, found.mode, *(data[name] for name in USED)):
            text.encode()
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise NotAnOffer(f"no event of an offer: {error!r}") from error
    return found


def millis(instant: str) -> int:
    """Return RFC 3339 as milliseconds since 1970."""
    when = datetime.fromisoformat(instant)
    if when.tzinfo is None:
        raise ValueError(f"{instant} has no offset from UTC")
    return round(when.timestamp() * 1_000)


def next_state(event: Event, state: str | None, now: int) -> str | None:
    """Return the state that an offer comes into: a row of a small table; None: nothing happens, it was so before.

    A withdrawal may overtake its offer: that is `barred` then, and `kept_back` when it comes.
    """
    first = "shown" if now < event.valid_until else "expired"
    steps = {(MADE, None): first, (MADE, "barred"): "kept_back"}
    steps |= {(WITHDRAWN, None): "barred", (WITHDRAWN, "shown"): "withdrawn"}
    return steps.get((event.type, state))


def signals(event: Event, state: str, now: int, accept: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what to report of an offer that came into a state: type, signal.

    What is shown on own channels is not sent to anybody: it waits in the app, and only of who comes there is to tell.
    """
    if state not in CONTACTS:
        return
    told, reason = CONTACTS[state]
    about = {"source": SOURCE, "time": now, "subject_kind": event.data["recipient_kind"]}
    about |= {"subject": event.data["recipient"], "decision_id": event.id, "channel": event.data["channel"]}
    said = {name: event.data[name] for name in ("offer", "family", "message")}
    if not (state == "shown" and about["channel"] == INBOUND):
        yield "contact", {"id": f"{event.id}-{told}", **about, **said, "state": told, "reason": reason}
    if state == "shown" and drawn(event.id, accept):
        yield "outcome", {"id": f"{event.id}-accepted", **about, "offer": said["offer"], "result": "accepted"}


def drawn(id_: str, share: float) -> bool:
    """Return whether an id is among a share of all, the same ones each time."""
    return int.from_bytes(hashlib.blake2b(f"accept {id_}".encode(), digest_size=8).digest()) < share * 2**64


def apply(event: Event, inbox: Inbox, mode: str, now: int, accept: float) -> str:
    """Do what an event asks for, within a transaction, and return what that was."""
    if event.type not in (MADE, WITHDRAWN):
        return "other_type"
    if event.mode != mode:
        return "other_mode"
    state = next_state(event, inbox.state(event.id), now)
    if state is None:
        return "known"
    inbox.put(event.id, state, event.valid_until, event.data)
    inbox.report(signals(event, state, now, accept))
    return state


def consume(
    lines: Iterable[bytes], inbox: Inbox, *, mode: str, clock: Clock, accept: float, tell: Tell | None = None
) -> Counter[str]:
    """Apply all events and return how many did what; a line that is no event is told on standard error, and left.

    What had an effect is told when it is kept: after its transaction.
    """
    counts: Counter[str] = Counter()
    numbered = enumerate(lines, 1)
    while batch := list(islice(numbered, BATCH)):
        done = list[tuple[Event, str]]()
        with inbox:
            for number, line in batch:
                try:
                    event = parse(line)
                except NotAnOffer as error:
                    print(f"line {number}: {error}", file=sys.stderr)
                    counts["refused"] += 1
                else:
                    done.append((event, apply(event, inbox, mode, clock(event), accept)))
        counts.update(effect for _, effect in done)
        for event, effect in done if tell is not None else ():
            if effect in EFFECTS:
                tell(event, effect)
    return counts


def clock_of(now: str | None) -> Clock:
    """Return what tells the time: an instant, each event's own time for `event`, else the clock."""
    if now is None:
        return lambda _: time.time_ns() // 1_000_000
    if now == "event":
        return lambda event: event.time
    instant = millis(now)
    return lambda _: instant


def told(counts: Counter[str], mode: str) -> str:
    """Return in words what was done."""
    words = {"shown": "shown", "withdrawn": "withdrawn after that", "barred": "withdrawn before they came"}
    words |= {"kept_back": "came after their withdrawal", "expired": "came too late", "known": "known before"}
    words |= {"other_mode": f"not {mode}", "other_type": "of another type", "refused": "refused"}
    parts = [f"{counts[name]:,} {text}" for name, text in words.items() if counts[name]]
    return f"{counts.total():,} events: {', '.join(parts) or 'nothing to do'}"


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m examples.consumer.consume", description=__doc__)
    parser.add_argument("offers", nargs="?", default="-", help="offers.jsonl of a run; by default standard input")
    parser.add_argument("--out", type=Path, required=True, help="folder for inbox.sqlite and the signals")
    parser.add_argument("--mode", default="live", help="whose offers to show; by default live")
    parser.add_argument("--now", help="an instant, or `event`: each event's own time; by default the clock")
    parser.add_argument("--accept", type=float, default=0, metavar="SHARE", help="of customers who accept, drawn by id")
    return parser.parse_args()


def main() -> int:
    """Consume a file and write the signals; 1 if a line was refused."""
    asked = arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    with closing(Inbox(asked.out / "inbox.sqlite")) as inbox:
        with open(sys.stdin.fileno() if asked.offers == "-" else asked.offers, "rb") as lines:
            counts = consume(lines, inbox, mode=asked.mode, clock=clock_of(asked.now), accept=asked.accept)
        print(told(counts, asked.mode))
        for signal in ("contact", "outcome"):
            path = asked.out / f"{signal}s.jsonl"
            print(f"{path}: {inbox.write_reports(signal, path):,} signals")
    return 1 if counts["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())
