"""The producer, a process of its own: sends the yardstick's signals as of now at a rate that it is told.

It reads lines `SECONDS RATE`, sends at that rate for so long, and answers `done` to each. What it sent when goes to a
file, a line for each moment: the first row, the row behind the last, milliseconds; rows count on from round to round.

python -m benchmarks.streams.producer BROKER SERVER TOPIC BEGINNINGS LOG
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep, time

import numpy as np

from benchmarks.streams.brokers import Broker, reach

EVERY = 0.02
"""Seconds between two moments."""


class Producing:
    """A producer that waits for what to do."""

    def __init__(self, broker: Broker, topic: str, beginnings: Path, log: Path) -> None:
        """Start it."""
        told = [broker.name, broker.server, topic, str(beginnings), str(log)]
        command = [sys.executable, "-m", "benchmarks.streams.producer", *told]
        self.log = log
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def start(self, seconds: float, rate: float) -> None:
        """Let it send; `wait` for its end."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds} {rate}\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        """Return when it has sent all that it was told to."""
        self._answer()

    def send(self, seconds: float, rate: float) -> None:
        """Let it send, and return at the end."""
        self.start(seconds, rate)
        self.wait()

    def close(self) -> None:
        """End it."""
        with self._process:
            self._process.terminate()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the producer ended")


@contextmanager
def producing(broker: Broker, topic: str, beginnings: Path, log: Path) -> Iterator[Producing]:
    """Run a producer until the end of the context."""
    one = Producing(broker, topic, beginnings, log)
    try:
        yield one
    finally:
        one.close()


def sent(log: Path) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    """Return the moments of a log: the first row, the row behind the last, milliseconds."""
    return np.loadtxt(log, np.int64, delimiter=",", ndmin=2).reshape(-1, 3)


def main(broker: str, server: str, topic: str, beginnings: str, log: str) -> None:
    """Send as told until the input ends."""
    reached, texts, row = reach(broker, server), Path(beginnings).read_bytes().split(b"\n"), 0
    with Path(log).open("w", encoding="utf-8") as file:
        print("ready", flush=True)
        for line in sys.stdin:
            seconds, rate = map(float, line.split())
            began, first = time(), row
            while (passed := min(time() - began, seconds)) < seconds or row < first + int(seconds * rate):
                stop, now = first + int(passed * rate), int(time() * 1000)
                reached.send(topic, list(_texts(texts, row, stop, now)))
                if stop > row:
                    file.write(f"{row},{stop},{now}\n")
                row = stop
                sleep(max(EVERY - (time() - began - passed), 0))
            reached.flush()
            file.flush()
            print("done", flush=True)


def _texts(texts: list[bytes], first: int, stop: int, now: int) -> Iterator[bytes]:
    for row in range(first, stop):
        round_, place = divmod(row, len(texts))
        yield texts[place] + b'-%d","event_time":%d}' % (round_, now)


if __name__ == "__main__":
    main(*sys.argv[1:])
