"""A town live on this machine: its signals go through a broker into a stream, its offers come out and are consumed.

python -m examples.live_town --out out/stream
"""

import argparse
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from statistics import median
from time import monotonic, sleep, time

from examples.live_town.brokers import Broker, broker
from examples.live_town.replay import Arrival, Clock, arrivals, due, millis
from pipelines.demo import PLAYBOOK
from pipelines.engines.children import free_port
from pipelines.report import instant
from pipelines.simulate import simulate
from pipelines.top import UnreachableError, poll
from schemas.playbook_file import load_playbook
from transforms.metrics.rendering import Samples

MINUTE = 60_000
OURS = ("broker", "run", "inbox")  # folders of an earlier time that give way, as the town does
PATIENCE = 180.0  # seconds until the stream has read what came before
SETTLED = 10  # seconds without a signal after which the stream ends
SILENT = 4.0  # seconds without a call of a stage
CALLS = "segone_ticks_milliseconds_count", ("decide_offers",)
SIGNALS = "segone_signals_in_total", ()
LAG = "segone_streams_watermark_lag_seconds", ()
TELL_EVERY = 15.0  # seconds between lines about the lag


@dataclass
class Latencies:
    """How long after the end of its tick each offer was with the consumer, seconds."""

    clock: Clock
    seconds: list[float] = field(default_factory=list)

    def of(self, line: str) -> str:
        """Return a line of the consumer with the latency of its offer, if it was made since the start."""
        at = millis(line.split(" ", 1)[0])
        if at < self.clock.start:
            return f"{line}  from before the start"
        self.seconds.append(self.clock.since(at))
        return f"{line}  {self.seconds[-1]:.1f} s"

    def told(self) -> str:
        """Return the latencies in words."""
        if not self.seconds:
            return "no offer was made in this time"
        ordered = sorted(self.seconds)
        most = ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)]
        return f"{len(ordered)} offers and withdrawals, latency p50 {median(ordered):.1f} s, p99 {most:.1f} s"


def run_of(signals: Sequence[str], town: Broker, start: int, end: int, out: Path) -> list[str]:
    """Return the command of the stream."""
    read = f"?replay&idle=2s&ends={SETTLED}s"
    command = [
        sys.executable,
        "-m",
        "pipelines",
        "run",
        str(PLAYBOOK),
        "--mode",
        "simulated",
        "--out",
        str(out / "run"),
    ]
    for signal in signals:
        command += ["--signals", f"{signal}={town.address(signal)}{read}"]
    times = ["--as-of", instant(start), "--until", instant(end)]
    return [*command, "--publish", f"offers={town.address('offers')}", *times, "--span", "1d", "--shards", "1"]


def measured(port: int) -> Samples:
    """Return what the stream counts; nothing while it is not there."""
    try:
        return poll([f"http://127.0.0.1:{port}/metrics"]).samples
    except UnreachableError:
        return {}


@contextmanager
def ended(one: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Interrupt a process at the end, where it has not ended."""
    try:
        yield one
    finally:
        if one.poll() is None:
            one.terminate()
            one.wait()


def wait_for_history(stream: subprocess.Popen[bytes], port: int, before: Sequence[Arrival], town: Broker) -> None:
    """Return when the stream has read what happened before, and no call comes of it any more.

    The last signal is sent again and again meanwhile, so that it does not take the silence for the end.
    """
    until, calls, last = monotonic() + PATIENCE, 0.0, before[-1]
    while (now := measured(port)).get(SIGNALS, 0) < len(before) or calls < now.get(CALLS, 1):
        town.send(last.signal, [(last.subject, last.text)])
        if stream.poll() is not None or monotonic() > until:
            raise SystemExit("the stream did not get through what happened before; see above")
        calls = now.get(CALLS, 0.0)
        sleep(SILENT)


@contextmanager
def following(town: Broker, out: Path, latencies: Latencies) -> Iterator[None]:
    """Let the example consumer take the offers, and print its lines with latencies."""
    command = [sys.executable, "-m", "examples.consumer.follow", town.address("offers"), "--out", str(out / "inbox")]
    with subprocess.Popen(
        [*command, "--mode", "simulated", "--now", "event"], stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout is not None
        lines = threading.Thread(target=lambda: [print(latencies.of(line.rstrip()), flush=True) for line in one.stdout])
        lines.start()
        try:
            yield
        finally:
            one.terminate()
            lines.join()


def replay(coming: Sequence[Arrival], town: Broker, clock: Clock, port: int) -> None:
    """Send the signals in time, and tell now and then how far the stream is behind."""
    told = monotonic()
    for signal, together in due(coming, clock):
        town.send(signal, [(one.subject, one.text) for one in together])
        if monotonic() - told > TELL_EVERY:
            told = monotonic()
            print(f"-- {instant(clock.now())[:16]} in town; {lag(measured(port), clock)}", flush=True)


def lag(counts: Samples, clock: Clock) -> str:
    """Return how far the watermark is behind the town, in our seconds."""
    behind = counts.get(LAG)
    if behind is None:
        return "no watermark yet"
    watermark = round((time() - behind) * 1_000)
    return f"{counts[SIGNALS]:,.0f} signals in, the watermark is {clock.since(watermark):.1f} s behind"


def main() -> int:
    """Simulate, replay, consume; ends when the replay does."""
    parser = argparse.ArgumentParser(prog="python -m examples.live_town", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/stream"))
    parser.add_argument("--subscribers", type=int, default=1_500)
    parser.add_argument("--start", default="2026-03-03T09:00:00+02:00", help="what is earlier is there at once")
    parser.add_argument("--minutes", type=int, default=120, help="of the town, from the start on")
    parser.add_argument("--speed", type=float, default=60, help="minutes of the town in one of ours")
    asked = parser.parse_args()
    start = millis(asked.start)
    end = start + asked.minutes * MINUTE
    signals = [*load_playbook(PLAYBOOK).signals]
    for folder in OURS:
        shutil.rmtree(asked.out / folder, ignore_errors=True)
    made = simulate(asked.out / "town", subscribers=asked.subscribers, days=3, file_format="jsonl", replace=True)
    every = [one for one in arrivals(made.out_dir, signals) if one.at < end]
    before, coming = ([one for one in every if (one.at < start) is early] for early in (True, False))
    port = free_port()
    environment = {"SEGONE_PSEUDONYM_KEY": token_hex(32), "SEGONE_METRICS_PORT": str(port)}
    with broker(asked.out / "broker") as town:
        town.make([*signals, "offers"])
        for signal, count in Counter(one.signal for one in before).items():
            town.send(signal, [(one.subject, one.text) for one in before if one.signal == signal])
            print(f"{count:,} signals of {signal} were before {asked.start}")
        command = run_of(signals, town, start, end, asked.out)
        with ended(subprocess.Popen(command, env=environment | os.environ)) as stream:
            wait_for_history(stream, port, before, town)
            clock = Clock(start, asked.speed, monotonic())
            print(
                f"{len(coming):,} signals of {asked.minutes} minutes are replayed at {asked.speed:g} times their speed"
            )
            latencies = Latencies(clock)
            with following(town, asked.out, latencies):
                replay(coming, town, clock, port)
                code = stream.wait()
    print(latencies.told())
    return code


if __name__ == "__main__":
    sys.exit(main())
