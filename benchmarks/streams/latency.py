"""How long it takes from the signal that completes a moment to its offer on the topic, and where the time goes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.streams.live import GRACE, TICK, Live
from benchmarks.streams.messages import subjects
from benchmarks.streams.producer import sent
from benchmarks.streams.runs import Offer, now

SECONDS = 30.0
MOST = {"prism": TICK + GRACE + 1_000, "flink": TICK + GRACE + 2_000}
"""The bars of p99, milliseconds."""


@dataclass(frozen=True)
class Parts:
    """Milliseconds, of one quantile each.

    Attributes:
        whole: From the signal that completes the moment, as the producer stamped it, to the consumer.
        tick: Of that until the tick at which the moment is seen.
        grace: Of that what the watermark stays behind.
        stages: Of that until the offer is sent: the reader's linger, the engine, the calls of the stages.
        publish: Of that until the consumer has it.
    """

    whole: float
    tick: float
    grace: float
    stages: float
    publish: float


@dataclass(frozen=True)
class Latency:
    """What a broker and an engine gave.

    Attributes:
        broker: Its name.
        engine: Its name.
        signals_per_second: What was sent.
        offers: How many were measured.
        by_time_alone: How many more no signal completed: what made them unlikely left the window.
        p50: Half of the offers take no longer; parts are medians of their own.
        p99: The same of 99 in a hundred.
        call_ms: Mean of a call of each stage, milliseconds.
        megabytes: Peak of all processes.
    """

    broker: str
    engine: str
    signals_per_second: float
    offers: int
    by_time_alone: int
    p50: Parts
    p99: Parts
    call_ms: dict[str, float]
    megabytes: float


def latency(warm: Live, rate: float, seconds: float = SECONDS) -> Latency:
    """Measure at a rate.

    Raises:
        ValueError: there was no offer, or none that a signal completed.
    """
    warm.settle(rate)
    since, before = now(), warm.running.counts()
    warm.send(seconds, rate)
    until = since + int(seconds * 1000)
    warm.reach(until, rate)  # what follows lets the last ticks close
    offers = [one for one in warm.offers.every() if since + 2 * TICK <= one.tick <= until]
    completed = completing(offers, sent(warm.producer.log), subjects(warm.load.size))
    known = [(one, at) for one, at in zip(offers, completed, strict=True) if at is not None]
    if not known:
        raise ValueError(f"none of {len(offers)} offers was completed by a signal")
    parts = np.array([_parts(one, at) for one, at in known], np.float64)
    p50, p99 = (Parts(*np.percentile(parts, share, axis=0).round(1).tolist()) for share in (50, 99))
    alone, running = len(offers) - len(known), warm.running
    calls, megabytes = _call_ms(before, running.counts()), running.watched.peak()
    return Latency(warm.broker.name, warm.engine, rate, len(known), alone, p50, p99, calls, megabytes)


def completing(offers: list[Offer], moments: Any, subjects_of_round: list[str]) -> list[int | None]:
    """Return when the last signal of each offer's subscriber in its tick was sent; None if there was none."""
    names = {name: code for code, name in enumerate(dict.fromkeys(subjects_of_round))}
    codes = np.array([names[name] for name in subjects_of_round], np.int64)
    first, stop = int(moments[0, 0]), int(moments[-1, 1])
    rows = codes[np.arange(first, stop) % len(codes)]
    times = np.repeat(moments[:, 2], moments[:, 1] - moments[:, 0])
    order = np.lexsort((times, rows))
    keys = rows[order] * (1 << 42) + times[order]
    found: list[int | None] = []
    for one in offers:
        place = int(np.searchsorted(keys, names[one.subject] * (1 << 42) + one.tick)) - 1
        code, at = divmod(int(keys[place]), 1 << 42) if place >= 0 else (-1, 0)
        found.append(at if code == names[one.subject] and at >= one.tick - TICK else None)
    return found


def _parts(one: Offer, signal: int) -> tuple[int, int, int, int, int]:
    return one.at - signal, one.tick - signal, GRACE, one.stamp - one.tick - GRACE, one.at - one.stamp


def _call_ms(before: Any, after: Any) -> dict[str, float]:
    """Return what a call of each stage took in the mean, milliseconds."""
    found = {}
    for (name, labels), value in after.items():
        if name == "segone_ticks_milliseconds_sum":
            calls = value - before.get((name, labels), 0.0)
            count = after["segone_ticks_milliseconds_count", labels] - before.get(
                ("segone_ticks_milliseconds_count", labels), 0.0
            )
            found[labels[0]] = round(calls / max(count, 1), 1)
    return found
