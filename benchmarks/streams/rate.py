"""How many signals a second a stream takes: as they come, from a backlog, and beside ordinary per-element Beam."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import time

import numpy as np
import polars as pl

from benchmarks import measure
from benchmarks.engines import make_events, program
from benchmarks.live_yardstick import SIZE, SMALLEST
from benchmarks.streams.brokers import Broker
from benchmarks.streams.live import Live
from benchmarks.streams.messages import whole_messages
from benchmarks.streams.runs import SIGNALS_IN, Offers, Running, segone, started
from benchmarks.yardstick import WINDOW_MS, Size
from benchmarks.yardstick_runs import GRACE_MS, PLAYBOOK
from pipelines.engines.flink import Flink
from schemas.durations import MINUTE

SPAN = 25 * MINUTE
"""Of the catch-up, as of `benchmarks.usage_offers`."""

AT_ONCE = 10_000
"""Messages of a backlog that are sent together."""

STEP, FASTER = 6.0, 1.4
"""Seconds of each rate that is tried, and how much faster the next one is."""

SETTLING = 3.0
"""Seconds of a rate after which offers may not be behind."""

LEAST, MOST = 2_000.0, 400_000.0
LEAST_OF_PER_ELEMENT, LEAST_CATCHING_UP = 20, 100_000
"""The bars."""


@dataclass(frozen=True)
class Sizes:
    """What is run.

    Attributes:
        backlog: What is caught up with.
        plain: What ordinary Beam catches up with.
    """

    backlog: Size
    plain: Size


PLAIN = Size("stream-plain", 10_000, 500, 0, "")
SIZES = {"kafka": Sizes(SIZE, PLAIN), "pubsub": Sizes(Size("small", 200_000, 10_000, 0, ""), PLAIN)}
"""By broker: the emulator of Pub/Sub takes some ten thousand messages a second."""

SMALL_SIZES = Sizes(SMALLEST, Size("stream-plain-smallest", 600, 30, 0, ""))


@dataclass(frozen=True)
class CaughtUp:
    """What a backlog took.

    Attributes:
        signals_per_second: From the first signal read to the last offer that needs no end of the input.
        of_real_time: How many times as fast as it happened.
        megabytes: Peak of all processes.
        programs: Of each program.
        core_seconds: From start to end.
    """

    signals_per_second: float
    of_real_time: float
    megabytes: float
    programs: dict[str, float]
    core_seconds: float


@dataclass(frozen=True)
class Sustained:
    """The greatest rate at which offers are not behind.

    Attributes:
        signals_per_second: That rate.
        behind_seconds: How far the tick of the newest offer was behind the clock then, at most.
        megabytes: Peak of all processes, at all rates.
        programs: Of each program.
        cores: Busy at that rate.
    """

    signals_per_second: float
    behind_seconds: float
    megabytes: float
    programs: dict[str, float]
    cores: float


@dataclass(frozen=True)
class Rate:
    """What a broker and an engine gave in one run."""

    broker: str
    engine: str
    sustained: Sustained
    catch_up: CaughtUp
    per_element: CaughtUp

    @property
    def of_per_element(self) -> float:
        """How many times the rate of ordinary Beam."""
        return self.sustained.signals_per_second / self.per_element.signals_per_second


def rate(broker: Broker, engine: str, cluster: Flink | None, folder: Path, sizes: Sizes, sustained: Sustained) -> Rate:
    """Measure what a broker and an engine catch up with, beside what was found that they sustain."""
    plain = _caught_up(broker, cluster, folder / "plain", sizes.plain, plain=True)
    caught = _caught_up(broker, cluster, folder / "backlog", sizes.backlog, plain=False)
    return Rate(broker.name, engine, sustained, caught, plain)


def ramp(warm: Live, most: float = MOST, step: float = STEP) -> Sustained:
    """Try greater rates until offers are behind.

    Raises:
        RuntimeError: they are at the least rate already.
    """
    wanted, good = LEAST, None
    watched = warm.running.watched
    while wanted <= most:
        spent, began = watched.core_seconds, time()
        found = [behind for passed, behind in warm.send(step, wanted) if passed > min(SETTLING, step / 2)]
        if max(found) > warm.bounded:
            break
        good = Sustained(wanted, max(found), watched.peak(), {}, (watched.core_seconds - spent) / (time() - began))
        wanted *= FASTER
    if good is None:
        raise RuntimeError(f"at {wanted:,.0f} signals/s offers are {max(found):.1f} s behind")
    return replace(good, programs=watched.programs())


def _caught_up(broker: Broker, cluster: Flink | None, folder: Path, size: Size, *, plain: bool) -> CaughtUp:
    """Fill a topic, catch up with it, and compare the offers with the reference.

    Raises:
        ValueError: they differ.
    """
    folder.mkdir(parents=True)
    events, topics = make_events(size), (f"signals-{folder.name}", f"offers-{folder.name}")
    broker.make(*topics, ordered=plain)  # ordinary Beam knows nothing of partitions, and would drop what is late
    texts = whole_messages(events)
    for first in range(0, len(texts), AT_ONCE):
        broker.send(topics[0], texts[first : first + AT_ONCE])
    broker.flush()
    wanted = _wanted(events, folder / "wanted.csv")
    command = _plain(broker, *topics, len(texts), cluster) if plain else _ours(broker, *topics, folder, cluster)
    with started(command, folder, cluster) as run, Offers(broker, topics[1]) as offers:
        began = _first_read_of_plain(run) if plain else _first_read(run)
        offers.wait(len(wanted), run)
        found = _plain_offers(offers) if plain else {(one.subject, one.tick): one.at for one in offers.every()}
    if found.keys() != wanted:
        raise ValueError(f"{len(found.keys() - wanted)} offers too many, {len(wanted - found.keys())} are missing")
    rows, last = _done(events, WINDOW_MS if plain else SPAN)
    seconds = max(at for (_, tick), at in found.items() if tick <= last) / 1000 - began
    passed, watched = (last - int(_times(events).min())) / 1000, run.watched
    return CaughtUp(rows / seconds, passed / seconds, watched.peak(), watched.programs(), watched.core_seconds)


def _ours(broker: Broker, signals: str, offers: str, folder: Path, cluster: Flink | None) -> list[str]:
    address = f"{broker.scheme}{signals}?replay&idle=10m&ends=5s"
    options = ["--mode", "simulated", "--span", f"{SPAN // MINUTE}m"]
    return segone(PLAYBOOK, address, f"{broker.scheme}{offers}", folder / "out", cluster, options)


def _plain(broker: Broker, signals: str, offers: str, messages: int, cluster: Flink | None) -> list[str]:
    told = [broker.name, broker.server, signals, offers, str(messages)]
    program = "from benchmarks.streams.per_element import main; main()"
    return [sys.executable, "-c", program, *told, *_plain_options(cluster)]


def _plain_options(cluster: Flink | None) -> Sequence[str]:
    """Return what ordinary Beam is told of the engine: what ours is, as without it either is not exact."""
    if cluster is None:
        return ["--engine", "prism"]
    return ["--engine", "flink", *cluster.options()]


def _first_read(run: Running) -> float:
    run.until(lambda: run.counts().get(SIGNALS_IN, 0) > 0)
    return time()


def _first_read_of_plain(run: Running) -> float:
    """Return when ordinary Beam read the first message, which it says."""

    def told() -> list[str]:
        return [line for line in run.child.log.read_text("utf-8", "replace").splitlines() if line.startswith("first ")]

    run.until(lambda: bool(told()))
    return float(told()[0].split()[1])


def _plain_offers(offers: Offers) -> dict[tuple[str, int], int]:
    """Return when each offer of ordinary Beam arrived first."""
    found: dict[tuple[str, int], int] = {}
    for text, at, _ in offers.arrived:
        subject, start, *_ = text.decode().split(",")
        found.setdefault((subject, int(start) + WINDOW_MS), at)
    return found


def _wanted(events: Path, result: Path) -> set[tuple[str, int]]:
    """Return the offers of the reference: the subscriber and the tick."""
    measure.run(
        [sys.executable, program("ref_polars.py"), "--workers", "1", "--input", str(events), "--output", str(result)]
    )
    rows = [line.split(",") for line in result.read_text().splitlines()]
    return {(row[0], int(row[1]) + WINDOW_MS) for row in rows}


def _times(events: Path) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return pl.read_parquet(events, columns=["event_time"])["event_time"].to_numpy()


def _done(events: Path, span: int) -> tuple[int, int]:
    """Return the last end of a span that needs no end of the input, and how many rows had to be read for it."""
    reached = np.maximum.accumulate(_times(events)) - GRACE_MS
    last = int(reached[-1]) // span * span
    return int(np.searchsorted(reached, last)), last
