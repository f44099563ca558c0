"""Live signals of a few hundred lines, to topics and to files alike: `live_signals.py DIR SECONDS [--project P]`.

Balances run low as time goes on, ten signals come twice, and one message is none. Without `--project` nothing is
published. Beside the files: `until`, the tick by which all has happened; `counts`, what the job must have counted.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.cloud.pubsub_v1 import PublisherClient

LINES, TICK, AGAIN = 300, 60, 10
SIGNALS = ("balance", "consent", "order", "control", "contact", "outcome")

Row = dict[str, Any]


def rows_of(seconds: int) -> Iterator[tuple[float, str, Row]]:
    """Yield when each signal happens, seconds from the beginning and in their order, its type, and what is in it."""
    for line in range(LINES):
        name, begins = f"line-{line:03}", 10 * line / LINES
        state = "granted" if line % 5 else "withdrawn"
        consent = {"id": f"c{line}", "subject": name, "purpose": "marketing", "channel": "app", "state": state}
        first = {"id": f"b{line}", "subject": name, "bucket": "data", "remaining_mb": 3_000.0}
        yield begins, "consent", consent
        yield begins, "balance", first
    for line in range(LINES):
        left = float(500 + line) if line % 3 else 2_000.0
        row = {"id": f"l{line}", "subject": f"line-{line:03}", "bucket": "data", "remaining_mb": left}
        yield 10 + (seconds - 10) * line / LINES, "balance", row


def written(text: bytes, path: Path) -> None:
    """Add a line to a file."""
    with path.open("ab") as file:
        file.write(text + b"\n")


class Topics:
    """Topics of a project, whose names are those of signals behind a prefix; without a project none."""

    def __init__(self, project: str | None, prefix: str) -> None:
        """Connect."""
        self._project, self._prefix = project, prefix
        self._client = None if project is None else PublisherClient()
        self._sent: list[Any] = []

    def publish(self, signal: str, text: bytes) -> None:
        """Send a message."""
        if self._client is not None:
            topic = self._client.topic_path(self._project, f"{self._prefix}{signal}")
            self._sent.append(self._client.publish(topic, text))

    def wait(self) -> None:
        """Wait until all is there."""
        for each in self._sent:
            each.result(timeout=120)


def main(arguments: list[str]) -> None:
    """Send them, in real time where they are published."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("seconds", type=int)
    parser.add_argument("--project")
    parser.add_argument("--prefix", default="")
    given = parser.parse_args(arguments)
    for signal in SIGNALS:
        (given.directory / f"{signal}.jsonl").touch()
    topics = Topics(given.project, given.prefix)
    begin, sent, last = time.time(), 0, 0
    for at, signal, row in rows_of(given.seconds):
        if given.project is not None:
            time.sleep(max(begin + at - time.time(), 0))
        last = int(1000 * (begin + at if given.project is None else time.time()))
        text = json.dumps({**row, "time": last}).encode()
        for _ in range(2 if signal == "balance" and sent < 2 * AGAIN else 1):
            topics.publish(signal, text)
            written(text, given.directory / f"{signal}.jsonl")
        sent += 1
    topics.publish("balance", b"17")
    written(b"17", given.directory / "balance.jsonl")
    topics.wait()
    until = datetime.fromtimestamp((last // 1000 // TICK + 1) * TICK, UTC).isoformat()
    (given.directory / "until").write_text(until + "\n")
    counts = {"in": sent + AGAIN + 1, "applied": sent, "duplicates": AGAIN, "rejected": 1, "late": 0, "too_late": 0}
    told = "".join(f"signals {name} {count}\n" for name, count in counts.items())
    (given.directory / "counts").write_text(told)


if __name__ == "__main__":
    main(sys.argv[1:])
