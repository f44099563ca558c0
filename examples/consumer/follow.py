"""Takes offers and withdrawals from a topic, as they come: prints one line for each that has an effect."""

import argparse
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from examples.consumer.consume import Event, clock_of, consume, told
from examples.consumer.inbox import Inbox
from examples.consumer.topics import Topic, topic_of

KEPT = 31 * 24 * 60 * 60 * 1_000  # milliseconds past valid_until, longer than a topic keeps messages


def follow(
    topic: Topic, inbox: Inbox, *, mode: str, now: str | None, idle: float, most: float = float("inf")
) -> Counter[str]:
    """Do what comes, each batch in one transaction, and acknowledge it after that.

    Who dies between the two gets the batch again, and knows all of it.

    Args:
        topic: Where it comes from.
        inbox: What is known.
        mode: Whose offers to show.
        now: What time it is, as `consume.clock_of` takes it.
        idle: Seconds of silence after which to end.
        most: Events after which to end.

    Returns:
        How many events did what.
    """
    counts, heard = Counter[str](), time.monotonic()
    while time.monotonic() - heard < idle and counts.total() < most:
        if not (texts := topic.take()):
            continue
        counts += consume(texts, inbox, mode=mode, clock=clock_of(now), accept=0, tell=tell)
        topic.done()
        heard = time.monotonic()
        if now is None:
            inbox.forget(time.time_ns() // 1_000_000 - KEPT)
    return counts


def tell(event: Event, state: str) -> None:
    """Print when an offer was made, and what became of it."""
    made, until = (datetime.fromtimestamp(at / 1_000, UTC).isoformat() for at in (event.time, event.valid_until))
    about = event.data
    what = f"{about['offer']} to {about['recipient']} by {about['channel']}"
    print(f"{made} {state:9} {what} until {until} {event.id}", flush=True)


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m examples.consumer.follow", description=__doc__)
    parser.add_argument("topic", help="kafka://HOST:PORT/TOPIC?client.NAME=VALUE or pubsub://PROJECT/SUBSCRIPTION")
    parser.add_argument("--out", type=Path, required=True, help="folder for inbox.sqlite and the signals")
    parser.add_argument("--mode", default="live", help="whose offers to show; by default live")
    parser.add_argument("--now", help="an instant, or `event`: each event's own time; by default the clock")
    parser.add_argument("--idle", type=float, default=float("inf"), help="seconds of silence after which to end")
    parser.add_argument("--most", type=float, default=float("inf"), help="events after which to end")
    return parser.parse_args()


def main() -> int:
    """Follow a topic; 1 if something was no event."""
    asked = arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    with closing(Inbox(asked.out / "inbox.sqlite")) as inbox, closing(topic_of(asked.topic)) as topic:
        counts = follow(topic, inbox, mode=asked.mode, now=asked.now, idle=asked.idle, most=asked.most)
        inbox.write_reports("contact", asked.out / "contacts.jsonl")
    print(told(counts, asked.mode))
    return 1 if counts["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())
